import { Either, Schema } from "effect"
import { countIn, firstIn, Segment, type Sequence, sequenceOf } from "./History.ts"

const Instants = Schema.Array(Schema.Int)

/**
 * The records of one integration's slots in [from, to), oldest first: the slots that have a row, the skipped ranges (disjoint,
 * both ends inclusive), and the next slot. Instants are epoch milliseconds. *Source*: `read_sync_audit`.
 */
export const Audited = Schema.Struct({
  integration_id: Schema.String,
  org_id: Schema.NullOr(Schema.String),
  integration_type: Schema.NullOr(Schema.String),
  deleted: Schema.Boolean,
  next_run_at: Schema.NullOr(Schema.Int),
  schedule_since: Schema.NullOr(Schema.Int),
  from: Schema.Int,
  to: Schema.Int,
  history: Schema.Array(Segment),
  slots: Instants,
  ranges: Schema.Array(Schema.Tuple(Schema.Int, Schema.Int))
})
export type Audited = typeof Audited.Type

/** Consecutive slots, from `from` to `to`, with neither a row nor a skipped range. */
export interface Hole {
  readonly integration_id: string
  readonly org_id: string | null
  readonly integration_type: string | null
  readonly from: number
  readonly to: number
  readonly count: number
  readonly schedule: string
  readonly timezone: string
}

/** A period whose slots are unknown, because its schedule cannot be computed. */
export interface UnreadableHistory {
  readonly integration_id: string
  readonly org_id: string | null
  readonly from: number
  readonly to: number
  readonly schedule: string
  readonly timezone: string
  readonly why: string
}

/** `slots` = `recorded` + `skipped_slots` + `open` + `missing`. `open` counts due and upcoming slots. */
export interface AuditVerdict {
  readonly slots: number
  readonly recorded: number
  readonly skipped_slots: number
  readonly open: number
  readonly missing: number
  readonly holes: ReadonlyArray<Hole>
  readonly unreadable: ReadonlyArray<UnreadableHistory>
}

/**
 * Returns the earliest possible time of an open slot: the next run or, if none is computed yet, the start of the current
 * schedule.
 */
const openFrom = (audited: Audited): number => {
  if (audited.deleted) return Number.POSITIVE_INFINITY
  return audited.next_run_at ?? (audited.schedule_since ?? audited.from) + 1
}

/**
 * Recomputes an integration's slots from its history and checks that each one is recorded. A slot with a row is recorded, even
 * inside a skipped range. A slot at the exact instant of an edit belongs to the schedule before the edit. *Guarantees*: a long
 * period without rows takes no longer to check than a short one.
 */
export const audit = (audited: Audited): AuditVerdict => {
  const tally = { slots: 0, recorded: 0, skipped_slots: 0, open: 0, missing: 0 }
  const holes: Array<Hole> = []
  const unreadable: Array<UnreadableHistory> = []
  const { integration_id, integration_type, org_id } = audited
  for (const segment of audited.history) {
    if (!segment.enabled || segment.schedule === null) continue
    const sequence = sequenceOf(segment)
    if (Either.isLeft(sequence)) {
      unreadable.push({
        integration_id,
        org_id,
        from: Math.max(segment.from, audited.from),
        to: Math.min(segment.to ?? audited.to, audited.to),
        schedule: segment.schedule,
        timezone: segment.timezone,
        why: sequence.left.detail
      })
    } else if (sequence.right !== null) {
      const open = segment.to === null ? openFrom(audited) : Number.POSITIVE_INFINITY
      for (const period of walk(sequence.right, audited, open)) {
        tally.slots += period.count
        tally[period.kind] += period.count
        if (period.kind !== "missing") continue
        const { count, from, to } = period
        const { expression: schedule, timezone } = sequence.right.schedule
        holes.push({
          integration_id,
          org_id,
          integration_type,
          from,
          to,
          count,
          schedule,
          timezone
        })
      }
    }
  }
  return { ...tally, holes, unreadable }
}

interface UniformPeriod {
  readonly kind: "recorded" | "skipped_slots" | "open" | "missing"
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Yields a sequence's slots in the window, oldest first, grouped into periods of one kind. */
function* walk(sequence: Sequence, audited: Audited, open: number): Generator<UniformPeriod> {
  const { ranges, slots } = audited
  const end = audited.to - 1
  let [row, range] = [0, 0]
  let at = audited.from - 1
  for (;;) {
    const slot = firstIn(sequence, at, end)
    if (slot === undefined) return
    while ((slots[row] ?? Number.POSITIVE_INFINITY) < slot) row += 1
    while ((ranges[range]?.[1] ?? Number.POSITIVE_INFINITY) < slot) range += 1
    const nextRow = slots[row] ?? Number.POSITIVE_INFINITY
    const [rangeFrom, rangeTo] = ranges[range] ?? [Number.POSITIVE_INFINITY, 0]
    if (nextRow === slot) {
      yield { kind: "recorded", from: slot, to: slot, count: 1 }
      at = slot
    } else {
      // There is no row before `nextRow`, so all slots up to the next boundary are of the same kind.
      const isSkipped = rangeFrom <= slot
      const isOpen = !isSkipped && slot >= open
      const alike = isSkipped
        ? rangeTo
        : Math.min(rangeFrom, isOpen ? Number.POSITIVE_INFINITY : open) - 1
      const upTo = Math.min(end, nextRow - 1, alike)
      const { count, latest } = countIn(sequence, at, upTo)
      const kind = isSkipped ? "skipped_slots" : isOpen ? "open" : "missing"
      yield { kind, from: slot, to: latest ?? slot, count }
      at = Math.max(upTo, slot)
    }
  }
}
