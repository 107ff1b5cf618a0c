import { Either, Schema } from "effect"
import { firstIn, Segment, type Sequence, sequenceOf } from "./History.ts"
import type { Slot } from "./Integration.ts"

/**
 * An open backfill, which runs the slots between `after` and `to` (both exclusive) that have no row. `slots` lists the slots with
 * a row. `history` and `slots` are complete up to `known_until` (exclusive). Instants are epoch milliseconds. *Source*:
 * `read_sync_backfills`.
 */
export const Backfill = Schema.Struct({
  backfill_id: Schema.UUID,
  integration_id: Schema.UUID,
  org_id: Schema.UUID,
  schedule_version: Schema.Int,
  cursor: Schema.NullOr(Schema.Int),
  after: Schema.Int,
  to: Schema.Int,
  known_until: Schema.Int,
  history: Schema.Array(Segment),
  slots: Schema.Array(Schema.Int)
})
export type Backfill = typeof Backfill.Type

/** Omits segments whose schedule cannot be computed. */
const sequencesOf = (history: ReadonlyArray<Segment>): ReadonlyArray<Sequence> =>
  history.flatMap((segment) => {
    const sequence = Either.getOrElse(sequenceOf(segment), () => null)
    return sequence === null ? [] : [sequence]
  })

/** Returns the earliest slot of any sequence in (after, upTo]. */
const firstOf = (
  sequences: ReadonlyArray<Sequence>,
  after: number,
  upTo: number
): number | undefined => {
  let first: number | undefined
  for (const sequence of sequences) {
    first = firstIn(sequence, after, first ?? upTo) ?? first
  }
  return first
}

/**
 * Yields the slots in (after, upTo] without a row, oldest first. Includes skipped slots, and slots from periods in which the
 * integration was disabled, because an operator requested the backfill.
 */
export function* slotsWithoutRow(
  history: ReadonlyArray<Segment>,
  rows: ReadonlyArray<number>,
  after: number,
  upTo: number
): Generator<number> {
  const sequences = sequencesOf(history)
  const known = new Set(rows)
  let slot = firstOf(sequences, after, upTo)
  while (slot !== undefined) {
    if (!known.has(slot)) yield slot
    slot = firstOf(sequences, slot, upTo)
  }
}

/**
 * Claims the oldest known slot without a row, or only advances the cursor if there is none.
 * *Guarantees*: the computation time is bounded by the size of `backfill`.
 */
export const nextStep = (backfill: Backfill): Slot => {
  const { after, backfill_id, cursor, history, known_until, slots, to } = backfill
  const [slot, following] = slotsWithoutRow(history, slots, after, known_until - 1).take(2)
  const isWhole = known_until >= to
  return {
    integration_id: backfill.integration_id,
    org_id: backfill.org_id,
    schedule_version: backfill.schedule_version,
    expected_next_run_at: null,
    scheduled_for: slot ?? null,
    trigger: "backfill",
    next_run_at: null,
    skipped_range: null,
    schedule_error: null,
    backfill: {
      id: backfill_id,
      cursor,
      next_cursor: slot ?? Math.max(known_until - 1, after),
      done: isWhole && following === undefined
    }
  }
}
