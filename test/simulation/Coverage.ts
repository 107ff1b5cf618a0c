import { format } from "../../src/Domain/Instant.ts"
import type { IntegrationRow, RangeRow } from "../support/MemoryDatabase.ts"
import { slotsBetween } from "./Slots.ts"
import type { Universe } from "./Universe.ts"

/** A schedule, and the period in which it was in force. */
interface Regime {
  readonly schedule: string
  readonly timezone: string
  from: number
  to: number | null
}

interface History {
  readonly regimes: Array<Regime>
  /** The slots that the application set explicitly. */
  readonly explicit: Set<number>
  /** Whether next_run_at was set back. If so, a slot may be in several skipped ranges. */
  isRewound: boolean
  isRemoved: boolean
}

/** Derives the expected slots from the edits and an independent oracle. Each slot must have exactly one run or skipped range. */
export class Coverage {
  private readonly universe: Universe
  private readonly start: number
  private readonly histories = new Map<string, History>()

  constructor(universe: Universe, start: number) {
    this.universe = universe
    this.start = start
  }

  /** Adds an integration, whose schedule has been in force since `schedule_since`. */
  add(row: IntegrationRow): void {
    const history: History = {
      regimes: [],
      explicit: new Set(),
      isRewound: false,
      isRemoved: false
    }
    this.histories.set(row.id, history)
    if (row.next_run_at !== null) history.explicit.add(row.next_run_at)
    this.open(history, row, row.next_run_at ?? row.schedule_since)
  }

  /** Updates an integration's history after an edit. */
  noteEdit(id: string): void {
    const history = this.histories.get(id)
    const row = this.universe.db.integrations.get(id)
    if (history === undefined) return
    const { now } = this.universe.time
    const current = history.regimes.at(-1)
    const isSame =
      row?.enabled === true &&
      current !== undefined &&
      current.to === null &&
      current.schedule === row.sync_schedule &&
      current.timezone === row.timezone
    if (isSame) return
    if (current !== undefined && current.to === null) current.to = now
    history.isRemoved = row === undefined
    if (row?.enabled === true) this.open(history, row, now)
  }

  noteRewind(id: string, slot: number): void {
    const history = this.histories.get(id)
    if (history === undefined) return
    history.explicit.add(slot)
    history.isRewound = true
    const current = history.regimes.at(-1)
    if (current !== undefined) current.from = Math.min(current.from, slot)
  }

  private open(history: History, row: IntegrationRow, from: number): void {
    if (!row.enabled || row.sync_schedule === null) return
    const { sync_schedule: schedule, timezone } = row
    history.regimes.push({ schedule, timezone, from, to: null })
  }

  /** Returns whether an instant is a slot of a schedule that was in force at that instant. */
  isSlot(id: string, instant: number): boolean {
    const history = this.histories.get(id)
    if (history === undefined) return false
    return (
      history.explicit.has(instant) ||
      history.regimes.some(
        ({ schedule, timezone, from, to }) =>
          instant > from &&
          (to === null || instant <= to) &&
          slotsBetween(schedule, timezone, this.start, instant - 1, instant).length === 1
      )
    )
  }

  private slots(history: History, upTo: number): ReadonlyArray<number> {
    const all = new Set<number>()
    for (const slot of history.explicit) if (slot <= upTo) all.add(slot)
    for (const { schedule, timezone, from, to } of history.regimes) {
      const last = Math.min(to ?? upTo, upTo)
      for (const slot of slotsBetween(schedule, timezone, this.start, from, last)) all.add(slot)
    }
    return [...all]
  }

  /** Checks the runs and the skipped ranges against the expected slots. Returns the number of slots. */
  check(upTo: number): number {
    const { db } = this.universe
    const ranges = Map.groupBy(db.ranges, (range) => range.integration_id)
    let count = 0
    for (const [id, history] of this.histories) {
      const row = db.integrations.get(id)
      const mine = ranges.get(id) ?? []
      const isOpen = row?.enabled === true && row.schedule_error === null
      if (isOpen && row.next_run_at === null && !this.isOver(history)) {
        this.universe.violate(2, `${id}: its next slot was never computed`)
      }
      const bound = isOpen ? Math.min(upTo, (row.next_run_at ?? upTo + 1) - 1) : upTo
      if (isOpen && row.next_run_at !== null && row.next_run_at <= upTo) {
        this.universe.violate(2, `${id}: slot ${format(row.next_run_at)} was never handled`)
      }
      const slots = this.slots(history, bound)
      count += slots.length
      for (const slot of slots) this.checkSlot(id, history, slot, mine, isOpen)
      for (const range of mine) this.checkRange(id, history, range)
      for (const run of db.runsOf(id)) {
        const isScheduled = run.trigger === "schedule" || run.trigger === "catch_up"
        if (isScheduled && !this.isSlot(id, run.scheduled_for)) {
          this.universe.violate(
            18,
            `${id}: ${format(run.scheduled_for)} is not a slot of its schedule`
          )
        }
      }
    }
    return count
  }

  private isOver(history: History): boolean {
    const current = history.regimes.at(-1)
    if (current === undefined || current.to !== null) return true
    const { schedule, timezone } = current
    return slotsBetween(schedule, timezone, this.start, current.from, Infinity).length === 0
  }

  private checkSlot(
    id: string,
    history: History,
    slot: number,
    ranges: ReadonlyArray<RangeRow>,
    isOpen: boolean
  ): void {
    const { db } = this.universe
    const covering = ranges.filter((range) => range.from <= slot && slot <= range.to)
    const hasRow = db.runsOf(id).some((run) => run.scheduled_for === slot)
    if (!hasRow && covering.length === 0) {
      // Slots that become due while an integration is disabled are recorded only when it is enabled again.
      const row = db.integrations.get(id)
      const isPending = !isOpen && row !== undefined && (row.next_run_at ?? Infinity) <= slot
      if (!isPending)
        this.universe.violate(2, `${id}: slot ${format(slot)} has no row and no range`)
    }
    if (covering.length > 1 && !history.isRewound) {
      this.universe.violate(1, `${id}: slot ${format(slot)} is inside ${covering.length} ranges`)
    }
  }

  private checkRange(id: string, history: History, range: RangeRow): void {
    const isCounted = ["superseded", "outside_window", "catch_up_skip"].includes(range.reason)
    const regime = history.regimes.findLast(({ from }) => from <= range.from)
    if (!isCounted || regime === undefined || history.isRewound) return
    const { schedule, timezone } = regime
    const rest = slotsBetween(schedule, timezone, this.start, range.from, range.to).length
    if (range.count !== rest + 1) {
      const span = `${format(range.from)} to ${format(range.to)}`
      this.universe.violate(18, `${id}: ${span} counts ${range.count} slots, not ${rest + 1}`)
    }
  }
}
