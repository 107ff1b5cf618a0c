import { format } from "../../src/Domain/Instant.ts"
import type { RunRow } from "../support/MemoryDatabase.ts"
import type { Arguments } from "../support/MemoryFunctions.ts"
import type { Oracle } from "./Oracle.ts"
import type { Universe } from "./Universe.ts"

interface Write {
  readonly name: string
  readonly args: Arguments
}

/** Matches a response that reports a change. */
const isDone = /"(granted|accepted)":true|"(started|claimed)":\[\{|"released":[1-9]/

/**
 * Writes with an outdated token, version or slot. Such a write might leave no trace in the outcomes, so this class
 * asserts that no row changes and that no response reports a change.
 */
export class StaleWrites {
  private readonly universe: Universe
  private readonly oracle: Oracle
  private readonly adoptAfterMs: number

  constructor(universe: Universe, oracle: Oracle, adoptAfterMs: number) {
    this.universe = universe
    this.oracle = oracle
    this.adoptAfterMs = adoptAfterMs
  }

  write(): void {
    const { random, db } = this.universe
    const run = random.pick([undefined, ...[...db.runs.values()].slice(-40)])
    const write = run === undefined ? null : this.draw(run)
    if (run === undefined || write === null) return
    const row = db.integrations.get(run.integration_id)
    const before = JSON.stringify([run, row, db.runs.size])
    const answer = JSON.stringify(this.universe.execute(write.name, write.args))
    const isChanged = JSON.stringify([run, row, db.runs.size]) !== before
    if (isChanged || isDone.test(answer)) {
      const how = isChanged ? "changed a row" : `returned ${answer}`
      this.universe.violate(8, `${run.idempotency_key}: a stale ${write.name} ${how}`)
    }
  }

  private draw(run: RunRow): Write | null {
    const { random } = this.universe
    const earlier = [...this.oracle.attempts].filter(([, attempt]) => attempt.runId === run.id)
    const tokens = earlier.map(([token]) => token).filter((token) => token !== run.lease_token)
    const token = random.pick([random.uuid(), null, ...tokens])
    const owner = { p_run_id: run.id, p_lease_token: token }
    const status = random.pick(["completed", "failed"])
    const outcome = random.pick([status, "not_executed", "unknown", "accepted"])
    if (run.status !== "running" && run.lease_token !== null && random.chance(0.3)) {
      return this.tooLate(run)
    }
    switch (
      random.pick(["settle", "begin", "heartbeat", "complete", "start", "claim", "release"])
    ) {
      case "settle": {
        const settlement = { run_id: run.id, lease_token: token, outcome, response: "stale" }
        const args = { p_engine_id: "stale", p_settlements: [settlement] }
        return { name: "settle_sync_runs", args: { ...args, p_quiescence_seconds: 430 } }
      }
      case "begin":
        return { name: "begin_sync_run", args: { ...owner, p_nonce: random.uuid() } }
      case "heartbeat":
        return { name: "heartbeat_sync_run", args: owner }
      case "complete":
        return { name: "complete_sync_run", args: { ...owner, p_status: status } }
      case "start":
        return this.start(run)
      case "claim":
        return this.claim(run)
      default: {
        const args = { p_engine_id: "stale", p_run_ids: [run.id] }
        return { name: "release_sync_claims", args }
      }
    }
  }

  /** Returns a write with the last token of a finished run. */
  private tooLate(run: RunRow): Write {
    const { random } = this.universe
    const owner = { p_run_id: run.id, p_lease_token: run.lease_token }
    return run.status === "unknown" || random.chance(0.5)
      ? { name: "begin_sync_run", args: { ...owner, p_nonce: random.uuid() } }
      : { name: "heartbeat_sync_run", args: owner }
  }

  /** Returns a stale start, or null for a pending run that any engine may start. */
  private start(run: RunRow): Write | null {
    const { random, time } = this.universe
    const isAdoptable = run.claimed_by === null || run.created_at + this.adoptAfterMs <= time.now
    if (run.status === "pending" && isAdoptable) return null
    const start = { run_id: run.id, lease_token: random.uuid(), lease_seconds: 60 }
    const args = {
      p_engine_id: "stale",
      p_starts: [start],
      p_adopt_after_seconds: this.adoptAfterMs / 1000,
      p_drift_alert_seconds: 300
    }
    return { name: "start_sync_runs", args }
  }

  /** Returns a claim with the previous schedule version or an outdated slot. */
  private claim(run: RunRow): Write | null {
    const { random, time, db } = this.universe
    const row = db.integrations.get(run.integration_id)
    if (row === undefined) return null
    const isOldVersion = random.chance(0.5)
    const next = row.next_run_at === null ? null : format(row.next_run_at)
    const slot = {
      integration_id: run.integration_id,
      org_id: run.org_id,
      schedule_version: isOldVersion ? row.schedule_version - 1 : row.schedule_version,
      expected_next_run_at: isOldVersion ? next : format(run.scheduled_for - 1),
      scheduled_for: format(time.now),
      trigger: "schedule",
      next_run_at: format(time.now + 60_000),
      skipped_range: null,
      schedule_error: null
    }
    const args = { p_engine_id: "stale", p_claim_token: random.uuid(), p_slots: [slot] }
    return { name: "claim_sync_runs", args }
  }

  /** Calls begin_sync_run after the lease ends and before the sweep. */
  beginTooLate(run: RunRow): void {
    const { time, random } = this.universe
    const { lease_token: token, lease_until: until } = run
    if (until === null) return
    time.at(until + random.between(0, 100), () => {
      const isOver = run.status === "running" && (run.lease_until ?? 0) <= time.now
      if (!isOver || run.lease_token !== token) return
      const before = JSON.stringify(run)
      const args = { p_run_id: run.id, p_lease_token: token, p_nonce: random.uuid() }
      this.universe.execute("begin_sync_run", args)
      if (JSON.stringify(run) !== before) {
        this.universe.violate(9, `${run.idempotency_key} began after the end of its lease`)
      }
    })
  }
}
