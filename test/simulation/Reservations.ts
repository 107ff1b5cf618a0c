import type { IntegrationRow } from "../support/MemoryDatabase.ts"
import type { Arguments } from "../support/MemoryFunctions.ts"
import type { Universe } from "./Universe.ts"

/** How long fetched rows stay reserved, in ms. */
const RESERVED_MS = 15_000

interface Work {
  readonly integrations: ReadonlyArray<{ readonly integration_id: string }>
  readonly pending: ReadonlyArray<{ readonly run_id: string }>
  readonly more: boolean
}

interface Taken {
  readonly token: string
  readonly engine: string
  readonly until: number
  /** The reservation ends when the integration's next slot changes. */
  readonly slot: string
}

/** Checks fetches against invariant 20. */
export class Reservations {
  private readonly universe: Universe
  private readonly taken = new Map<string, Taken>()

  constructor(universe: Universe) {
    this.universe = universe
    universe.onAnswer = (name, args, answer) => {
      if (name === "fetch_sync_work") this.atFetch(String(args.p_fetch_token), args, answer as Work)
      if (name === "claim_sync_runs") this.atClaim(args.p_slots as Work["integrations"])
      if (name === "open_sync_tick") this.atFetch(String(args.p_tick_id), args, answer as Work)
      if (name === "finish_sync_tick") this.atFinish(String(args.p_engine_id))
    }
  }

  private atFetch(token: string, args: Arguments, work: Work): void {
    const { db, time } = this.universe
    const engine = String(args.p_engine_id)
    const isNamed = (args.p_options as { integration_ids?: unknown }).integration_ids !== undefined
    const given = work.integrations.map(({ integration_id }) => integration_id)
    for (const id of given) {
      const before = this.taken.get(id)
      if (before === undefined || !this.isTaken(before, id)) continue
      if (before.token === token || (isNamed && before.engine === engine)) continue
      this.universe.violate(
        20,
        `${id} is returned to ${engine} while ${before.engine} has it reserved`
      )
    }
    if (!work.more) this.checkRepeat(token, work)
    const until = time.now + RESERVED_MS
    for (const id of given) {
      const row = db.integrations.get(id)
      if (row !== undefined) this.taken.set(id, { token, engine, until, slot: slotOf(row) })
    }
  }

  /** Checks that a repeated fetch returns every slot that is still reserved under its token. */
  private checkRepeat(token: string, { integrations, pending }: Work): void {
    const { db, locked, time } = this.universe
    const given = new Set([
      ...integrations.map(({ integration_id }) => integration_id),
      ...pending.map(({ run_id }) => run_id)
    ])
    for (const [id, taken] of this.taken) {
      const row = db.integrations.get(id)
      if (taken.token !== token || given.has(id) || !this.isTaken(taken, id)) continue
      const isReady =
        row?.enabled === true &&
        row.sync_schedule !== null &&
        row.schedule_error === null &&
        (row.breaker_until ?? 0) <= time.now
      if (isReady && !locked.has(id)) this.missing(id)
    }
    for (const run of db.live.values()) {
      const isReady = run.status === "pending" && (run.not_before ?? 0) <= time.now
      if (run.claim_token !== token || given.has(run.id) || !isReady) continue
      if (db.integrations.get(run.integration_id)?.enabled === true) this.missing(run.id)
    }
  }

  private missing(id: string): void {
    this.universe.violate(20, `${id} is missing from the repetition of the fetch that reserved it`)
  }

  private isTaken({ slot, until }: Taken, id: string): boolean {
    const row = this.universe.db.integrations.get(id)
    return until > this.universe.time.now && row !== undefined && slotOf(row) === slot
  }

  /** A tick that finishes may end its engine's reservations. */
  private atFinish(engine: string): void {
    for (const [id, taken] of this.taken) if (taken.engine === engine) this.taken.delete(id)
  }

  /** Drops the reservations of claimed slots, because an application may set the same slot again. */
  private atClaim(slots: ReadonlyArray<{ readonly integration_id: string }>): void {
    for (const { integration_id: id } of slots) {
      const taken = this.taken.get(id)
      if (taken !== undefined && !this.isTaken(taken, id)) this.taken.delete(id)
    }
  }
}

const slotOf = ({ next_run_at, schedule_version }: IntegrationRow): string =>
  `${next_run_at} ${schedule_version}`
