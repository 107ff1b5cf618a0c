import { Either, Schema } from "effect"
import { decideCatchUp } from "../../src/Domain/CatchUp.ts"
import { DueIntegration, Slot } from "../../src/Domain/Integration.ts"
import { RandomSource } from "../simulation/RandomSource.ts"
import type { IntegrationRow, RunRow } from "../support/MemoryDatabase.ts"
import { iso, type Parity, type Step } from "./Parity.ts"

const POLICY = { driftAlertMs: 300_000, catchUpWindowMs: 1_800_000 }
const SCHEDULES = ["* * * * *", "*/5 * * * *", "0 * * * *", "*/30 * * * * *", "0 0 30 2 *"] as const
const APIS = [
  {},
  { api_provider: "xledger", api_host: "www.xledger.net" },
  { api_provider: "xledger", api_host: "www.xledger.net" },
  { api_provider: "xledger", api_host: "test.xledger.net" },
  { api_provider: "generic", api_host: "elsewhere.test" },
  { api_provider: "generic", api_host: "elsewhere.test/health" }
] as const
const ORG = "00000000-0000-4000-8000-00000000000a"
const ENGINES = ["engine-1", "engine-2", "host-7-12ab"] as const
const encodeSlot = Schema.encodeSync(Slot)
const decodeDue = Schema.decodeUnknownEither(DueIntegration)

/**
 * Most steps fit the database's state, so that they have an effect. Some use a stale token or version, or a slot that is not due.
 */
export class ParitySteps {
  readonly random: RandomSource
  private readonly parity: Parity
  private readonly made: Array<Step> = []
  private readonly tokens: Array<string> = []
  private readonly nonces: Array<string> = []
  private lastFetch: string | null = null

  constructor(parity: Parity, seed: number) {
    this.parity = parity
    this.random = new RandomSource(seed)
  }

  async addIntegration(): Promise<void> {
    const { random, parity } = this
    const age = random.span(1, 7_200_000)
    await parity.add({
      id: random.uuid(),
      org_id: random.chance(0.7) ? ORG : random.uuid(),
      sync_schedule: random.pick(SCHEDULES),
      timezone: random.pick(["UTC", "Europe/Oslo"]),
      next_run_at: random.chance(0.5) ? parity.now - age : null,
      schedule_since: parity.now - age,
      catch_up: random.pick(["latest", "all", "skip"]),
      max_attempts: random.pick([1, 2, 3]),
      on_unknown: random.pick(["retry", "hold"]),
      fenced: random.chance(0.5)
    })
  }

  advance(): void {
    const { random } = this
    this.parity.now += random.span(1, random.pick([1_000, 60_000, 600_000, 2_400_000]))
  }

  private get runs(): ReadonlyArray<RunRow> {
    return [...this.parity.db.runs.values()]
  }

  private integrationId(): string {
    return this.random.pick([this.random.uuid(), ...this.parity.db.integrations.keys()])
  }

  private run(): RunRow | undefined {
    const live = [...this.parity.db.live.values()]
    const odd = this.runs.filter(
      ({ ambiguous, status }) =>
        status === "unknown" || status === "skipped" || (status === "pending" && ambiguous)
    )
    const pool =
      odd.length > 0 && this.random.chance(0.3)
        ? odd
        : live.length > 0 && this.random.chance(0.6)
          ? live
          : this.runs
    return this.random.pick([undefined, ...pool, ...pool])
  }

  private finishedRun(): RunRow | undefined {
    const { random } = this
    const over = this.runs.filter(({ status }) => ["failed", "skipped", "unknown"].includes(status))
    const skipped = over.filter(({ status }) => status === "skipped")
    const pool = skipped.length > 0 && random.chance(0.4) ? skipped : over
    return random.chance(0.6) ? random.pick([undefined, ...pool]) : this.run()
  }

  private owner(run = this.run()) {
    const { random } = this
    const token = random.chance(0.8)
      ? (run?.lease_token ?? null)
      : random.pick([null, random.uuid(), ...this.tokens])
    return { p_run_id: run?.id ?? random.uuid(), p_lease_token: token }
  }

  private readonly kinds: ReadonlyArray<readonly [weight: number, draw: () => Step]> = [
    [3, () => ({ call: "read_due_integrations", args: { p_limit: this.random.between(1, 4) } })],
    [12, () => this.claim()],
    [2, () => this.random.pick([this.claim(), ...this.made.slice(-6)])],
    [3, () => this.release()],
    [14, () => this.start()],
    [2, () => this.releaseClaims()],
    [14, () => this.settle()],
    [6, () => this.begin()],
    [4, () => ({ call: "heartbeat_sync_run", args: this.owner() })],
    [2, () => ({ call: "heartbeat_sync_run", args: this.owner(this.finishedRun()) })],
    [8, () => this.complete()],
    [4, () => this.sweep()],
    [6, () => this.open()],
    [6, () => this.fetch()],
    [2, () => this.readPending()],
    [1, () => this.finish()],
    [5, () => this.operate("retry_sync_run", "p_run_id")],
    [5, () => this.operate("release_sync_run", "p_run_id")],
    [2, () => this.operate("trigger_sync_run", "p_integration_id")],
    [2, () => this.operate("pause_integration", "p_integration_id")],
    [4, () => this.operate("resume_integration", "p_integration_id")],
    [9, () => this.edit()],
    [0.6, () => ({ remove: this.integrationId() })]
  ]

  next(): Step {
    const total = this.kinds.reduce((sum, [weight]) => sum + weight, 0)
    let left = (this.random.between(0, 1_000_000) / 1_000_000) * total
    for (const [weight, draw] of this.kinds) {
      left -= weight
      if (left <= 0) return draw()
    }
    return this.open()
  }

  private slotOf(row: IntegrationRow): Slot | null {
    const due = decodeDue({
      integration_id: row.id,
      org_id: row.org_id,
      integration_type: row.integration_type,
      sync_schedule: row.sync_schedule,
      timezone: row.timezone,
      next_run_at: row.next_run_at === null ? null : iso(row.next_run_at),
      schedule_version: row.schedule_version,
      schedule_since: iso(row.schedule_since),
      catch_up: row.catch_up,
      catch_up_window_ms: row.catch_up_window_ms
    })
    return Either.isRight(due) ? decideCatchUp(due.right, this.parity.now, POLICY) : null
  }

  private claim(): Step {
    const { random, parity } = this
    const chosen = [...parity.db.integrations.values()].filter(() => random.chance(0.6))
    const slots = chosen.flatMap((row) => {
      const slot = this.slotOf(row)
      return slot === null ? [] : [random.chance(0.8) ? slot : this.invalidate(slot)]
    })
    const twice = random.chance(0.05) ? slots.slice(0, 1) : []
    const tooMany = random.chance(0.02)
      ? slots.slice(0, 1).flatMap((slot) => Array(101).fill(slot))
      : []
    const gone = random.chance(0.05) ? slots.slice(0, 1) : []
    const all = [
      ...slots,
      ...twice,
      ...tooMany,
      ...gone.map((slot) => ({ ...slot, integration_id: random.uuid() }))
    ]
    const step: Step = {
      call: "claim_sync_runs",
      args: {
        p_engine_id: random.pick(ENGINES),
        p_claim_token: random.uuid(),
        p_slots: all.map((slot) => encodeSlot(slot))
      }
    }
    this.made.push(step)
    return step
  }

  private invalidate(slot: Slot): Slot {
    const { random, parity } = this
    const known = random.pick([null, ...this.runs.map((run) => run.scheduled_for)])
    switch (random.between(0, 7)) {
      case 0:
        return { ...slot, schedule_version: slot.schedule_version - 1 }
      case 1:
        return { ...slot, expected_next_run_at: parity.now - 1 }
      case 2:
        return { ...slot, scheduled_for: parity.now + 5_000, next_run_at: parity.now + 9_000 }
      case 3:
        return { ...slot, scheduled_for: null, next_run_at: null }
      case 4:
        return { ...slot, next_run_at: slot.scheduled_for }
      case 5:
        return { ...slot, schedule_error: "it cannot be read" }
      case 6:
        return { ...slot, scheduled_for: known, next_run_at: parity.now + 60_000 }
      default:
        return { ...slot, scheduled_for: (slot.expected_next_run_at ?? parity.now) - 1 }
    }
  }

  private release(): Step {
    const ids = [this.run()?.id, this.run()?.id].filter((id) => id !== undefined)
    return {
      call: "release_sync_claims",
      args: { p_engine_id: this.random.pick(ENGINES), p_run_ids: ids }
    }
  }

  private start(): Step {
    const { random } = this
    const chosen = new Set([this.run(), this.run(), this.run()])
    const starts = [...chosen].map((run) => {
      const token = random.chance(0.9)
        ? random.uuid()
        : random.pick([random.uuid(), ...this.tokens])
      this.tokens.push(token)
      return {
        run_id: run?.id ?? random.uuid(),
        lease_token: token,
        lease_seconds: random.span(1, 300),
        cold_start: random.chance(0.2),
        warm_up_ms: random.pick([null, null, 20]),
        ...random.pick(APIS)
      }
    })
    const step: Step = {
      call: "start_sync_runs",
      args: {
        p_engine_id: random.pick(ENGINES),
        p_starts: starts,
        p_adopt_after_seconds: 10,
        p_drift_alert_seconds: 300
      }
    }
    this.made.push(step)
    return step
  }

  private releaseClaims(): Step {
    const owners = new Map([this.owner(), this.owner()].map((owner) => [owner.p_run_id, owner]))
    return {
      call: "revert_sync_starts",
      args: {
        p_engine_id: this.random.pick(ENGINES),
        p_starts: [...owners.values()].map((owner) => ({
          run_id: owner.p_run_id,
          lease_token: owner.p_lease_token
        }))
      }
    }
  }

  private settle(): Step {
    const { random } = this
    const chosen = new Map([this.owner(), this.owner()].map((owner) => [owner.p_run_id, owner]))
    const settlements = [...chosen.values()].map((owner) => {
      const outcome = random.pick(["completed", "failed", "not_executed", "unknown", "accepted"])
      const isGood = outcome === "completed" || outcome === "accepted"
      return {
        run_id: owner.p_run_id,
        lease_token: owner.p_lease_token,
        outcome,
        http_status: random.pick([null, 200, 504]),
        error_code: isGood ? null : random.pick(["HTTP_504", "REFUSED"]),
        error_message: isGood ? null : random.pick(["it broke", "it is not there"]),
        response: random.pick([null, { ok: true }]),
        retry_in_ms: outcome === "not_executed" ? random.span(1, 60_000) : null,
        lease_seconds: outcome === "accepted" ? random.pick([600, 1800]) : null,
        ...(random.chance(0.15) ? { health: this.sign() } : {})
      }
    })
    return {
      call: "settle_sync_runs",
      args: {
        p_engine_id: random.pick(ENGINES),
        p_settlements: settlements,
        p_quiescence_seconds: 430
      }
    }
  }

  private sign() {
    const { random } = this
    const sign = random.pick(["throttled", "throttled", "unreachable", "reachable", "reachable"])
    return {
      provider: random.pick(["xledger", "generic"]),
      host: random.pick([null, "www.xledger.net", "elsewhere.test"]),
      sign,
      code: sign === "reachable" ? null : "HTTP_429",
      message: null,
      http_status: random.pick([null, 429]),
      wait_ms: random.pick([null, 5, 30_000, 7_200_000]),
      ceiling: random.pick([null, 2, 10]),
      low: sign === "reachable" && random.chance(0.7),
      quota: null
    }
  }

  private begin(): Step {
    const nonce = this.random.pick([null, this.random.uuid(), ...this.nonces.slice(-4)])
    if (nonce !== null) this.nonces.push(nonce)
    return { call: "begin_sync_run", args: { ...this.owner(), p_nonce: nonce } }
  }

  private complete(): Step {
    const { random } = this
    const error = random.pick([null, { code: "X", message: "said so" }, {}])
    // These runs wait for another attempt, and their previous attempt has not reported.
    const late = this.runs.filter((run) => run.status === "pending" && run.ambiguous_before)
    return {
      call: "complete_sync_run",
      args: {
        ...(random.chance(0.6) ? this.owner(random.pick([undefined, ...late])) : this.owner()),
        p_status: random.pick(["completed", "completed", "failed", "failed", "done"]),
        p_error: error,
        p_response: random.pick([null, { booked: 3 }])
      }
    }
  }

  private sweep(): Step {
    return {
      call: "sweep_sync_runs",
      args: {
        p_engine_id: this.random.pick(ENGINES),
        p_quiescence_seconds: 430,
        p_running_guard_seconds: 1800
      }
    }
  }

  /** Returns a new token or, to simulate a lost response, the last fetch's token. */
  private fetchToken(): string {
    if (this.lastFetch === null || !this.random.chance(0.4)) this.lastFetch = this.random.uuid()
    return this.lastFetch
  }

  private open(): Step {
    const { random } = this
    const options = {
      engine_version: "0",
      adopt_after_seconds: 10,
      drift_alert_seconds: 300,
      quiescence_seconds: 430,
      running_guard_seconds: 1800,
      limit: random.pick([2, 100])
    }
    const ids = [...this.parity.db.integrations.keys()].slice(0, 3)
    const scope = random.chance(0.2) ? { integration_ids: ids } : {}
    return {
      call: "open_sync_tick",
      args: {
        p_tick_id: this.fetchToken(),
        p_engine_id: random.pick(ENGINES),
        p_options: { ...options, ...scope }
      }
    }
  }

  private fetch(): Step {
    const { random, parity } = this
    const rows = [...parity.db.integrations.values()]
    const ids = rows.slice(0, 3).map(({ id }) => id)
    const orgs = rows.slice(1, 3).map(({ org_id }) => org_id)
    return {
      call: "fetch_sync_work",
      args: {
        p_engine_id: random.pick(ENGINES),
        p_fetch_token: this.fetchToken(),
        p_limit: random.pick([1, 2, 3, 100]),
        p_options: {
          adopt_after_seconds: 10,
          drift_alert_seconds: random.pick([60, 300]),
          ...(random.chance(0.2) ? { integration_ids: ids } : {}),
          ...(random.chance(0.2) ? { exclude_org_ids: orgs } : {})
        }
      }
    }
  }

  private readPending(): Step {
    return {
      call: "read_pending_runs",
      args: {
        p_engine_id: this.random.pick(ENGINES),
        p_limit: this.random.pick([2, 100]),
        p_adopt_after_seconds: 10
      }
    }
  }

  private finish(): Step {
    const { random } = this
    const skew = random.pick([null, 20, -8_000])
    return {
      call: "finish_sync_tick",
      args: {
        p_tick_id: random.uuid(),
        p_engine_id: random.pick(ENGINES),
        p_summary: {},
        p_clock_skew_ms: skew
      }
    }
  }

  private operate(call: string, key: "p_run_id" | "p_integration_id"): Step {
    const id =
      key === "p_run_id" ? (this.finishedRun()?.id ?? this.random.uuid()) : this.integrationId()
    const reason = this.random.chance(0.1) ? " " : "because"
    return { call, args: { [key]: id, p_actor: "an operator", p_reason: reason } }
  }

  private edit(): Step {
    const { random, parity } = this
    const edit = this.integrationId()
    const { now } = parity
    switch (random.between(0, 10)) {
      case 0:
        return { edit, changes: { sync_schedule: random.pick(SCHEDULES) } }
      case 1:
        return { edit, changes: { timezone: random.pick(["UTC", "Europe/Oslo"]) } }
      case 2:
      case 3:
        return { edit, changes: { enabled: random.chance(0.7) } }
      case 4:
      case 8:
      case 9: {
        const known = this.runs.filter((run) => run.integration_id === edit)
        const slots = known.map((run) => run.scheduled_for)
        return {
          edit,
          changes: { next_run_at: random.pick([null, now - 1, now + 60_000, ...slots, ...slots]) }
        }
      }
      case 5:
        return {
          edit,
          changes: { on_unknown: random.pick(["retry", "hold"]), fenced: random.chance(0.5) }
        }
      case 6:
        return { edit, changes: { consecutive_failures: random.between(3, 6) } }
      case 7:
        return { edit, changes: { breaker_until: random.pick([null, now + 60_000]) } }
      default:
        return {
          edit,
          changes: { enabled: random.chance(0.7), sync_schedule: random.pick(SCHEDULES) }
        }
    }
  }
}
