import { Either, Schema } from "effect"
import type { TimelineData } from "../Database/OperatorRpc.ts"
import * as Duration from "../Domain/Duration.ts"
import { firstIn, type Segment, sequenceOf } from "../Domain/History.ts"
import { Instant } from "../Domain/Instant.ts"
import { reasonOf } from "../Domain/RunReason.ts"
import { delayOf, RunEvent, RunView } from "../Domain/RunView.ts"
import { shortInstant } from "../Domain/Schedule/Schedule.ts"
import { rejectedBy } from "../Domain/State.ts"

/**
 * `skipped_range`: the slot was skipped, and one record covers a range of slots. `due`: the slot has not been claimed yet.
 * `missing`: the slot has neither a run nor a record, which is a bug.
 */
export const SlotOutcome = Schema.Literal(
  "completed",
  "failed",
  "unknown",
  "running",
  "pending",
  "skipped",
  "skipped_range",
  "paused",
  "due",
  "missing"
)
export type SlotOutcome = typeof SlotOutcome.Type

export const ExplainedSlot = Schema.Struct({
  slot: Instant,
  /** Whether the schedule or a manually set `next_run_at` made the slot due. False for a manual run or a backfill. */
  expected: Schema.Boolean,
  outcome: SlotOutcome,
  why: Schema.String,
  run: Schema.NullOr(RunView),
  events: Schema.Array(RunEvent)
})
export type ExplainedSlot = typeof ExplainedSlot.Type

/** The maximum number of slots to explain. Older slots are left out. */
export const MAX_SLOTS = 500

type TimelineRun = TimelineData["runs"][number]

/** Returns the slots in the timeline's window, oldest first. These are all slots of the schedules and the slots of other runs. */
export const explainSlots = (
  timeline: TimelineData
): { readonly slots: ReadonlyArray<ExplainedSlot>; readonly truncated: boolean } => {
  const runs = new Map(timeline.runs.map((run) => [run.scheduled_for, run]))
  const expected = new Map<number, Segment>()
  let truncated = timeline.runs_truncated
  const oldestRun = truncated ? (timeline.runs[0]?.scheduled_for ?? 0) : Number.NEGATIVE_INFINITY
  for (const segment of timeline.history) {
    const slots = slotsOf(segment, Math.max(timeline.from, oldestRun), timeline.to)
    for (const slot of slots) expected.set(slot, segment)
  }
  const all = [...new Set([...expected.keys(), ...runs.keys()])].toSorted((a, b) => a - b)
  if (all.length > MAX_SLOTS) truncated = true
  return {
    slots: all.slice(-MAX_SLOTS).flatMap((slot) => {
      const segment = expected.get(slot)
      const run = runs.get(slot)
      const explained =
        run === undefined ? withoutRun(slot, segment, timeline) : withRun(run, timeline)
      return explained === null
        ? []
        : [
            {
              slot,
              expected: segment?.enabled === true || isOfSchedule(run),
              ...explained,
              ...partsOf(run)
            }
          ]
    }),
    truncated
  }
}

/** Returns whether the schedule made the run due. The slot itself might not match any recorded schedule. */
export const isOfSchedule = (run: Pick<TimelineRun, "trigger"> | undefined): boolean =>
  run?.trigger === "schedule" || run?.trigger === "catch_up"

const partsOf = (run: TimelineRun | undefined): Pick<ExplainedSlot, "run" | "events"> => {
  if (run === undefined) return { run: null, events: [] }
  const { events, ...rest } = run
  return { run: rest, events }
}

/**
 * The maximum number of slots to compute per segment. It is far above `MAX_SLOTS`, because the computation starts with the oldest
 * slot.
 */
const MAX_COMPUTED = 20_000

const slotsOf = (segment: Segment, from: number, to: number): ReadonlyArray<number> => {
  const sequence = sequenceOf(segment)
  if (Either.isLeft(sequence) || sequence.right === null) return []
  const slots: Array<number> = []
  let at = Math.max(from, segment.from) - 1
  while (slots.length < MAX_COMPUTED) {
    const slot = firstIn(sequence.right, at, to - 1)
    if (slot === undefined) break
    slots.push(slot)
    at = slot
  }
  return slots
}

interface Outcome {
  readonly outcome: SlotOutcome
  readonly why: string
}

const withRun = (run: TimelineRun, timeline: TimelineData): Outcome => {
  const because = reasonOf(run)
  switch (run.status) {
    case "completed":
      return { outcome: "completed", why: joined([lateness(run, timeline), earlier(run)]) }
    case "failed":
      return { outcome: "failed", why: joined([because, earlier(run)]) }
    case "unknown":
      return {
        outcome: "unknown",
        why: joined([because, afterwards(run, timeline)])
      }
    case "skipped":
      return {
        outcome: "skipped",
        why: SKIPS.get(run.skip_reason ?? "") ?? run.skip_reason ?? "skipped"
      }
    case "running":
      return {
        outcome: "running",
        why: `attempt ${run.attempt}, started ${ago(timeline, run.attempt_started_at ?? run.started_at)}`
      }
    case "pending":
      return { outcome: "pending", why: joined([because, waiting(run, timeline)]) }
  }
}

const withoutRun = (
  slot: number,
  segment: Segment | undefined,
  timeline: TimelineData
): Outcome | null => {
  const range = timeline.ranges.find(({ from, to }) => from <= slot && slot <= to)
  if (range !== undefined && segment?.enabled !== false) {
    const why = RANGES.get(range.reason) ?? range.reason
    return {
      outcome: "skipped_range",
      why: joined([why, silence(slot, range.recorded_at, timeline)])
    }
  }
  if (segment?.enabled === false) return { outcome: "paused", why: "" }
  const { integration } = timeline
  if (integration === null) return { outcome: "missing", why: "the integration was deleted" }
  const open = integration.next_run_at ?? (integration.schedule_since ?? timeline.to) + 1
  return slot < open
    ? { outcome: "missing", why: "it has no run and no record; please report this" }
    : { outcome: "due", why: blockedBy(slot, timeline) }
}

const blockedBy = (slot: number, timeline: TimelineData): string => {
  const { integration, now, scheduler } = timeline
  const fault = integration?.schedule_error ?? null
  if (fault !== null) return fault
  const rejection = integration?.rejection ?? null
  if (rejection !== null) return rejectedBy(rejection)
  const live = integration?.live_run ?? null
  if (live !== null) {
    const run = `the ${timeIn(timeline, live.scheduled_for)} run`
    return live.status === "unknown" && integration?.on_unknown === "hold"
      ? `it waits for ${run}, which is on hold until someone decides`
      : `it waits for ${run} to finish`
  }
  const until = integration?.breaker_until ?? 0
  if (until > now) {
    return `its breaker is open until ${timeIn(timeline, until)}, after ${integration?.consecutive_failures} failures in a row`
  }
  if (scheduler.verdict === "never") return "no engine has ticked yet"
  if (scheduler.verdict === "stopped") {
    return `ticks have stopped: no engine has ticked for ${Duration.rough(now - (scheduler.last_activity_at ?? slot))}`
  }
  return `due for ${Duration.rough(now - slot)}, and no engine has claimed it`
}

const RANGES: ReadonlyMap<string, string> = new Map([
  ["superseded", "a newer run was also due, and catch_up = latest runs only the newest"],
  ["outside_window", "older than the catch-up window"],
  ["catch_up_skip", "it was missed, and catch_up = skip never runs missed slots"],
  ["schedule_changed", "the schedule was changed while the slot was due"],
  ["disabled", "the integration was paused"],
  ["gone", "the integration was deleted"]
])

const SKIPS: ReadonlyMap<string, string> = new Map([
  ["disabled", "the integration was paused before the run started"],
  ["gone", "the integration was deleted before the run started"]
])

const Detail = Schema.Struct({
  http_status: Schema.optionalWith(Schema.Int, { nullable: true, default: () => 0 }),
  error_code: Schema.optionalWith(Schema.String, { nullable: true, default: () => "" }),
  error_message: Schema.optionalWith(Schema.String, { nullable: true, default: () => "" })
})
const decodeDetail = Schema.decodeUnknownEither(Detail)

/** Lists how the earlier attempts ended: `attempt 1: HTTP 503 BOOT_ERROR`. */
const earlier = (run: TimelineRun): string =>
  run.events
    .filter(({ attempt, kind }) => kind === "settled" && attempt !== null && attempt < run.attempt)
    .map(({ attempt, detail, reason }) => {
      const decoded = decodeDetail(detail)
      const text = Either.isRight(decoded)
        ? reasonOf({
            http_status: decoded.right.http_status || null,
            error_code: decoded.right.error_code || null,
            error_message: decoded.right.error_message || null
          })
        : ""
      return `attempt ${attempt}: ${text === "" ? (reason ?? "not executed") : text}`
    })
    .join("; ")

/**
 * Returns how late a run started, and when no engine was ticking. Returns an empty string if the run was less than a minute late.
 */
const lateness = (run: TimelineRun, timeline: TimelineData): string => {
  const drift = run.drift_ms ?? 0
  if (drift < 60_000 || run.started_at === null) return ""
  const late = `started ${Duration.rough(drift)} late`
  return joined([late, silence(run.scheduled_for, run.started_at, timeline)])
}

/** Returns `no engine ticked from ... to ...` if a gap between ticks overlaps the period from `from` to `to`. */
const silence = (from: number, to: number, timeline: TimelineData): string => {
  const quiet = timeline.silences.find((one) => one.from < to && (one.to ?? timeline.now) > from)
  if (quiet === undefined) return ""
  const end = quiet.to === null ? "" : ` to ${timeIn(timeline, quiet.to)}`
  return `no engine ticked from ${timeIn(timeline, quiet.from)}${end}`
}

const afterwards = (run: TimelineRun, timeline: TimelineData): string => {
  if (run.released_at !== null) return "released: later runs can start"
  const { now } = timeline
  if (timeline.integration?.on_unknown === "hold") return "on hold until someone decides"
  return run.not_before !== null && run.not_before > now
    ? `retries in ${Duration.rough(run.not_before - now)}`
    : ""
}

const waiting = (run: TimelineRun, timeline: TimelineData): string => {
  const rejection = timeline.integration?.rejection ?? null
  if (rejection !== null) return rejectedBy(rejection)
  if (run.not_before !== null && run.not_before > timeline.now) {
    const next = `attempt ${run.attempt + 1} of ${run.max_attempts} in ${Duration.rough(run.not_before - timeline.now)}`
    const delay = delayOf(run)
    return delay === "" ? next : `${delay}; ${next}`
  }
  return run.attempt === 0
    ? "claimed, not started yet"
    : `attempt ${run.attempt + 1} of ${run.max_attempts} starts with the next tick`
}

const ago = (timeline: TimelineData, at: number | null): string =>
  at === null ? "" : `${Duration.rough(timeline.now - at)} ago`

/** Formats an instant in the integration's time zone: `09:00`, or `11-19 02:00` on another day. */
export const timeIn = ({ integration, now }: TimelineData, at: number): string =>
  shortInstant(at, integration?.timezone ?? "UTC", now)

const joined = (parts: ReadonlyArray<string>): string =>
  parts.filter((part) => part !== "").join("; ")
