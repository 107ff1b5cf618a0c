import { Either, Schema } from "effect"
import { countIn, firstIn, Segment, type Sequence, sequenceOf } from "./History.ts"

const Instants = Schema.Array(Schema.Int)

/**
 * One integration in [from, to), with all that is on record for its slots: which have a row, which ranges were passed over
 * (both ends inclusive, disjoint), and where it stands. Oldest first; instants are epoch milliseconds. *Source*:
 * `read_sync_audit`, which reads it in one snapshot.
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

/** Slots from `from` to `to`, one after the other, that have neither a row nor a range. */
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

/** A part of the history whose schedule cannot be computed: it has no slots that anybody could know. */
export interface Unreadable {
  readonly integration_id: string
  readonly org_id: string | null
  readonly from: number
  readonly to: number
  readonly schedule: string
  readonly timezone: string
  readonly why: string
}

/** `slots` = `recorded` + `passed_over` + `open` + what is in the holes. `open`: due or about to be, not dealt with yet. */
export interface Verdict {
  readonly slots: number
  readonly recorded: number
  readonly passed_over: number
  readonly open: number
  readonly missing: number
  readonly holes: ReadonlyArray<Hole>
  readonly unreadable: ReadonlyArray<Unreadable>
}

/** From where on slots are still to come: the next run, or everything since the schedule is in force. */
const openFrom = (audited: Audited): number => {
  if (audited.deleted) return Number.POSITIVE_INFINITY
  return audited.next_run_at ?? (audited.schedule_since ?? audited.from) + 1
}

/**
 * Recomputes the slots of an integration from its history, as of its versions, and looks each one up. A row inside a range
 * wins. Slots are expected while the integration was enabled, in (from, to] of each segment: one that was due at the moment
 * of an edit belongs to the schedule before it. *Guarantees*: long stretches without a row cost no more than short ones.
 */
export const audit = (audited: Audited): Verdict => {
  const tally = { slots: 0, recorded: 0, passed_over: 0, open: 0, missing: 0 }
  const holes: Array<Hole> = []
  const unreadable: Array<Unreadable> = []
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
      for (const stretch of walk(sequence.right, audited, open)) {
        tally.slots += stretch.count
        tally[stretch.kind] += stretch.count
        if (stretch.kind !== "missing") continue
        const { count, from, to } = stretch
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

interface Stretch {
  readonly kind: "recorded" | "passed_over" | "open" | "missing"
  readonly from: number
  readonly to: number
  readonly count: number
}

/** The slots of a sequence inside the window, in stretches that are alike, oldest first. */
function* walk(sequence: Sequence, audited: Audited, open: number): Generator<Stretch> {
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
      // No row until the next one: the slots up to there are alike, as far as the range or the schedule's open part reaches.
      const isPassedOver = rangeFrom <= slot
      const isOpen = !isPassedOver && slot >= open
      const alike = isPassedOver
        ? rangeTo
        : Math.min(rangeFrom, isOpen ? Number.POSITIVE_INFINITY : open) - 1
      const upTo = Math.min(end, nextRow - 1, alike)
      const { count, latest } = countIn(sequence, at, upTo)
      const kind = isPassedOver ? "passed_over" : isOpen ? "open" : "missing"
      yield { kind, from: slot, to: latest ?? slot, count }
      at = Math.max(upTo, slot)
    }
  }
}
