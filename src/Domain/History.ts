import { Either, Schema } from "effect"
import type { ScheduleError } from "./Errors.ts"
import * as Schedule from "./Schedule/Schedule.ts"

/**
 * A segment of an integration's history: the schedule that applied in (from, to], in epoch milliseconds. `to` is null for the
 * current segment. *Source*: `sync_scheduler.history_json`.
 */
export const Segment = Schema.Struct({
  from: Schema.Int,
  to: Schema.NullOr(Schema.Int),
  /** The slot that was next when the segment began. The cron expression might not match this slot. */
  first_slot: Schema.NullOr(Schema.Int),
  /** If `first_slot` is null, the segment contains the schedule's slots after this instant. */
  since: Schema.NullOr(Schema.Int),
  schedule: Schema.NullOr(Schema.String),
  timezone: Schema.String,
  enabled: Schema.Boolean,
  version: Schema.Int
})
export type Segment = typeof Segment.Type

/** The slots of one segment: `first`, and the schedule's slots in (after, upTo]. */
export interface Sequence {
  readonly segment: Segment
  readonly schedule: Schedule.Schedule
  readonly first: number | null
  readonly after: number
  readonly upTo: number
}

/** Returns the slots of a segment, even if the integration was disabled. Returns null if the segment has no schedule. */
export const sequenceOf = (segment: Segment): Either.Either<Sequence | null, ScheduleError> =>
  segment.schedule === null
    ? Either.right(null)
    : Either.map(Schedule.parse(segment.schedule, segment.timezone), (schedule) => ({
        segment,
        schedule,
        first: segment.first_slot,
        after: segment.first_slot ?? segment.since ?? segment.from,
        upTo: segment.to ?? Number.POSITIVE_INFINITY
      }))

/** Returns the first slot of a sequence in (after, upTo]. */
export const firstIn = (sequence: Sequence, after: number, upTo: number): number | undefined => {
  const end = Math.min(upTo, sequence.upTo)
  const { first } = sequence
  if (first !== null && after < first) return first <= end ? first : undefined
  return Schedule.between(sequence.schedule, Math.max(after, sequence.after), end, 1)[0]
}

/** Counts the slots of a sequence in (after, upTo] without enumerating them. */
export const countIn = (
  sequence: Sequence,
  after: number,
  upTo: number
): { readonly count: number; readonly latest: number | undefined } => {
  const end = Math.min(upTo, sequence.upTo)
  const { first } = sequence
  const hasFirst = first !== null && after < first && first <= end
  const rest = Schedule.summarise(sequence.schedule, Math.max(after, sequence.after), end)
  return {
    count: rest.count + (hasFirst ? 1 : 0),
    latest: rest.latest._tag === "Some" ? rest.latest.value : hasFirst ? first : undefined
  }
}
