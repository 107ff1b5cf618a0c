import { deleteIntegration, type Edit, editIntegration } from "../support/MemorySchedule.ts"
import type { Checker } from "./Checker.ts"
import type { Coverage } from "./Coverage.ts"
import type { Disturbance } from "./Faults.ts"
import { SCHEDULES } from "./Slots.ts"
import type { Universe } from "./Universe.ts"

/** The application and its operators, which write while engines are running. */
export class ConcurrentEdits {
  private readonly universe: Universe
  private readonly checker: Checker
  private readonly coverage: Coverage

  constructor(options: {
    readonly universe: Universe
    readonly checker: Checker
    readonly coverage: Coverage
  }) {
    this.universe = options.universe
    this.checker = options.checker
    this.coverage = options.coverage
  }

  disturb(kind: Disturbance): void {
    const id = this.anyIntegration()
    if (id === undefined) return
    const { random, time, db } = this.universe
    const row = db.integrations.get(id)
    const { now } = time
    switch (kind) {
      case "edit":
        this.edit(id, this.drawSchedule(id))
        break
      case "editTwice": {
        // Edits happen around the full minute, when ticks read and claim.
        const minute = Math.ceil(now / 60_000) * 60_000
        for (let times = 0; times < 4; times++) {
          time.at(minute + random.between(0, 20_000), () => this.edit(id, this.drawSchedule(id)))
        }
        return
      }
      case "toggle":
        this.edit(id, { enabled: row?.enabled !== true })
        break
      case "rewind": {
        const slot = random.pick([null, ...db.runsOf(id).map((run) => run.scheduled_for)])
        if (slot === null || row === undefined || !row.enabled) return
        if (row.next_run_at === null || slot >= row.next_run_at) return
        this.coverage.noteRewind(id, slot)
        this.edit(id, { next_run_at: slot })
        break
      }
      case "remove":
        if (random.chance(0.9)) return
        this.universe.note("app", id, "deleted")
        deleteIntegration(db, id)
        this.noteEdit(id)
        break
      case "retry":
      case "release": {
        const runs = [...db.runs.values()].filter(
          ({ status }) => status === "failed" || status === "skipped" || status === "unknown"
        )
        const run = random.pick([undefined, ...runs])
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
        this.operate("pause_integration", { p_integration_id: id })
        this.noteEdit(id)
        break
      case "resume":
        this.resume(id)
        break
      default:
        return
    }
  }

  private anyIntegration(): string | undefined {
    return this.universe.random.pick([undefined, ...this.universe.db.integrations.keys()])
  }

  /** With catch_up = 'all', an integration runs one slot per tick, so a minutely schedule would never catch up. */
  private drawSchedule(id: string): Edit {
    const { random, db } = this.universe
    const often = db.integrations.get(id)?.catch_up === "all" ? "hourly" : "often"
    const kind = random.pick([often, often, "hourly", "seldom", "never"] as const)
    const [sync_schedule, timezone] = random.pick(SCHEDULES[kind])
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

  resume(id: string): void {
    this.operate("resume_integration", { p_integration_id: id })
    this.noteEdit(id)
  }

  operate(name: string, args: Readonly<Record<string, string>>): void {
    const who = { ...args, p_actor: "operator", p_reason: "simulated" }
    const answer = this.universe.execute(name, who)
    this.universe.note("operator", name, JSON.stringify(answer))
  }
}
