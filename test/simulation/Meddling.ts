import type { EngineSettings } from "../../src/Config.ts"
import { format } from "../../src/Domain/Instant.ts"
import type { RunRow } from "../support/MemoryDatabase.ts"
import { deleteIntegration, type Edit, editIntegration } from "../support/MemorySchedule.ts"
import type { Coverage } from "./Coverage.ts"
import type { Disturbance } from "./Faults.ts"
import type { Checker } from "./Invariants.ts"
import type { Oracle } from "./Oracle.ts"
import { SCHEDULES } from "./Slots.ts"
import type { Universe } from "./Universe.ts"

/** Everybody else who writes: the application, the operators, and whoever comes too late. */
export class Meddling {
  private readonly universe: Universe
  private readonly checker: Checker
  private readonly coverage: Coverage
  private readonly oracle: Oracle
  private readonly settings: Omit<EngineSettings, "engineId">

  constructor(options: {
    readonly universe: Universe
    readonly checker: Checker
    readonly coverage: Coverage
    readonly oracle: Oracle
    readonly settings: Omit<EngineSettings, "engineId">
  }) {
    this.universe = options.universe
    this.checker = options.checker
    this.coverage = options.coverage
    this.oracle = options.oracle
    this.settings = options.settings
  }

  /** Does one of the things that an application or an operator may do at any time. */
  disturb(kind: Disturbance): void {
    const id = this.anyIntegration()
    if (id === undefined) return
    const { dice, time, db } = this.universe
    const row = db.integrations.get(id)
    const { now } = time
    switch (kind) {
      case "edit":
        this.edit(id, this.drawSchedule())
        break
      case "editTwice": {
        // Around the minute, when ticks read and claim.
        const minute = Math.ceil(now / 60_000) * 60_000
        for (let times = 0; times < 4; times++) {
          time.at(minute + dice.between(0, 20_000), () => this.edit(id, this.drawSchedule()))
        }
        return
      }
      case "toggle":
        this.edit(id, { enabled: row?.enabled !== true })
        break
      case "rewind": {
        const slot = dice.pick([null, ...db.runsOf(id).map((run) => run.scheduled_for)])
        if (slot === null || row === undefined || !row.enabled) return
        if (row.next_run_at === null || slot >= row.next_run_at) return
        this.coverage.noteRewind(id, slot)
        this.edit(id, { next_run_at: slot })
        break
      }
      case "remove":
        if (dice.chance(0.9)) return
        this.universe.note("app", id, "deleted")
        deleteIntegration(db, id)
        this.noteEdit(id)
        break
      case "retry":
      case "release": {
        const runs = [...db.runs.values()].filter(({ status }) =>
          ["failed", "skipped", "unknown"].includes(status)
        )
        const run = dice.pick([undefined, ...runs])
        run === undefined ? undefined : this.operate(`${kind}_sync_run`, { p_run_id: run.id })
        break
      }
      case "trigger":
        this.operate("trigger_sync_run", { p_integration_id: id })
        break
      case "triggerAtSlot":
        time.at(Math.ceil(now / 60_000) * 60_000, () =>
          this.operate("trigger_sync_run", { p_integration_id: id })
        )
        break
      case "pause":
      case "resume":
        this.operate(`${kind}_integration`, { p_integration_id: id })
        this.noteEdit(id)
        break
      default:
        return
    }
  }

  private anyIntegration(): string | undefined {
    return this.universe.dice.pick([undefined, ...this.universe.db.integrations.keys()])
  }

  private drawSchedule(): Edit {
    const { dice } = this.universe
    const kind = dice.pick(["often", "often", "hourly", "seldom", "never"] as const)
    const [sync_schedule, timezone] = dice.pick(SCHEDULES[kind])
    return { sync_schedule, timezone }
  }

  private edit(id: string, changes: Edit): void {
    this.universe.note("app", id, JSON.stringify(changes))
    editIntegration(this.universe.db, id, changes)
    this.noteEdit(id)
  }

  private noteEdit(id: string): void {
    this.coverage.noteEdit(id)
    this.checker.noteEdit()
  }

  operate(name: string, args: Readonly<Record<string, string>>): void {
    const who = { ...args, p_actor: "operator", p_reason: "simulated" }
    const answer = this.universe.execute(name, who)
    this.universe.note("operator", name, JSON.stringify(answer))
  }

  /** Writes that come too late, with a token, a version or a slot that is no longer the present one: no row may change. */
  writeStale(): void {
    const { dice, db } = this.universe
    const run = dice.pick([undefined, ...[...db.runs.values()].slice(-40)])
    if (run === undefined) return
    const row = db.integrations.get(run.integration_id)
    const before = JSON.stringify([run, row, db.runs.size])
    const what = this.writeOneStale(run)
    if (JSON.stringify([run, row, db.runs.size]) !== before) {
      this.universe.violate(8, `${run.idempotency_key}: a stale ${what} changed a row`)
    }
  }

  private writeOneStale(run: RunRow): string {
    const { dice, db } = this.universe
    const earlier = [...this.oracle.attempts].filter(([, attempt]) => attempt.runId === run.id)
    const tokens = earlier.map(([token]) => token).filter((token) => token !== run.lease_token)
    const token = dice.pick([dice.uuid(), null, ...tokens])
    const owner = { p_run_id: run.id, p_lease_token: token }
    const outcome = dice.pick([
      "completed",
      "failed",
      "not_executed",
      "unknown",
      "accepted"
    ] as const)
    const kind = dice.pick([
      "settle",
      "begin",
      "heartbeat",
      "complete",
      "start",
      "claim",
      "release"
    ])
    switch (kind) {
      case "settle": {
        const settlement = { run_id: run.id, lease_token: token, outcome, response: "stale" }
        const args = {
          p_settlements: [settlement],
          p_quiescence_seconds: 430,
          p_engine_id: "stale"
        }
        this.universe.execute("settle_sync_runs", args)
        return `settlement (${outcome})`
      }
      case "begin":
        this.universe.execute("begin_sync_run", { ...owner, p_nonce: dice.uuid() })
        return "begin"
      case "heartbeat":
        this.universe.execute("heartbeat_sync_run", owner)
        return "heartbeat"
      case "complete": {
        const status = outcome === "completed" ? "completed" : "failed"
        this.universe.execute("complete_sync_run", { ...owner, p_status: status })
        return `completion (${status})`
      }
      case "start": {
        // A pending run may be started by another engine only after its claimer had its time.
        const isFree =
          run.status === "pending" &&
          (run.claimed_by === null ||
            run.created_at + this.settings.adoptAfterMs <= this.universe.time.now)
        if (isFree) return "nothing"
        const start = { run_id: run.id, lease_token: dice.uuid(), lease_seconds: 60 }
        this.universe.execute("start_sync_runs", {
          p_engine_id: "stale",
          p_starts: [start],
          p_adopt_after_seconds: this.settings.adoptAfterMs / 1000,
          p_drift_alert_seconds: 300
        })
        return "start"
      }
      case "claim":
        return this.claimStale(run)
      default:
        this.universe.execute("release_sync_claims", { p_engine_id: "stale", p_run_ids: [run.id] })
        return db.runs.has(run.id) ? "release" : "nothing"
    }
  }

  private claimStale(run: RunRow): string {
    const { dice, db } = this.universe
    const row = db.integrations.get(run.integration_id)
    if (row === undefined) return "nothing"
    const isOldVersion = dice.chance(0.5)
    const slot = {
      integration_id: run.integration_id,
      org_id: run.org_id,
      schedule_version: isOldVersion ? row.schedule_version - 1 : row.schedule_version,
      expected_next_run_at: isOldVersion
        ? row.next_run_at === null
          ? null
          : format(row.next_run_at)
        : format(run.scheduled_for - 1),
      scheduled_for: format(this.universe.time.now),
      trigger: "schedule",
      next_run_at: format(this.universe.time.now + 60_000),
      passed_over: null,
      schedule_error: null
    }
    const args = { p_engine_id: "stale", p_claim_token: dice.uuid(), p_slots: [slot] }
    this.universe.execute("claim_sync_runs", args)
    return isOldVersion ? "claim (version)" : "claim (slot)"
  }

  /** A function that asks to begin right when its lease is over, before anybody has swept the run. */
  beginTooLate(run: RunRow): void {
    const { time, dice } = this.universe
    const { lease_token: token, lease_until: until } = run
    if (until === null) return
    time.at(until + dice.between(0, 100), () => {
      const isOver = run.status === "running" && (run.lease_until ?? 0) <= time.now
      if (!isOver || run.lease_token !== token) return
      const before = JSON.stringify(run)
      const args = { p_run_id: run.id, p_lease_token: token, p_nonce: dice.uuid() }
      this.universe.execute("begin_sync_run", args)
      if (JSON.stringify(run) !== before) {
        this.universe.violate(9, `${run.idempotency_key} began after the end of its lease`)
      }
    })
  }
}
