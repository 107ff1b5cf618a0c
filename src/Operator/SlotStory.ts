import { Either, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import { firstIn, type Segment, sequenceOf } from "../Domain/History.ts"
import { Instant } from "../Domain/Instant.ts"
import type { Story } from "../Domain/OperatorRpc.ts"
import { delayOf, RunEvent, RunView } from "../Domain/RunView.ts"
import { describeInstant } from "../Domain/Schedule.ts"

/** What became of a slot. `due`: nobody has it yet; `missing`: it has neither a run nor a record, which must not be. */
export const SlotOutcome = Schema.Literal(
  "completed",
  "failed",
  "unknown",
  "running",
  "pending",
  "skipped",
  "passed_over",
  "paused",
  "due",
  "missing"
)
export type SlotOutcome = typeof SlotOutcome.Type

/** One slot: what became of it and why; its run with all that happened to it, if it has one. */
export const ExplainedSlot = Schema.Struct({
  slot: Instant,
  /** It was to run by the schedule; a manual run or a backfill was not. */
  expected: Schema.Boolean,
  outcome: SlotOutcome,
  why: Schema.String,
  run: Schema.NullOr(RunView),
  events: Schema.Array(RunEvent)
})
export type ExplainedSlot = typeof ExplainedSlot.Type

/** Slots that are explained one by one; of more, the newest. */
export const MAX_SLOTS = 500

type StoryRun = Story["runs"][number]

/**
 * Every slot of a story's window, oldest first: those of the schedules that were in force, and those of runs outside
 * them. `truncated`: there were older ones.
 */
export const explainSlots = (
  story: Story
): { readonly slots: ReadonlyArray<ExplainedSlot>; readonly truncated: boolean } => {
  const runs = new Map(story.runs.map((run) => [run.scheduled_for, run]))
  const expected = new Map<number, Segment>()
  let truncated = story.runs_truncated
  const oldestRun = truncated ? (story.runs[0]?.scheduled_for ?? 0) : Number.NEGATIVE_INFINITY
  for (const segment of story.history) {
    const slots = slotsOf(segment, Math.max(story.from, oldestRun), story.to)
    for (const slot of slots) expected.set(slot, segment)
  }
  const all = [...new Set([...expected.keys(), ...runs.keys()])].toSorted((a, b) => a - b)
  if (all.length > MAX_SLOTS) truncated = true
  return {
    slots: all.slice(-MAX_SLOTS).flatMap((slot) => {
      const segment = expected.get(slot)
      const run = runs.get(slot)
      const explained = run === undefined ? withoutRun(slot, segment, story) : withRun(run, story)
      return explained === null
        ? []
        : [
            {
              slot,
              expected: segment?.enabled === true,
              ...explained,
              ...partsOf(run)
            }
          ]
    }),
    truncated
  }
}

const partsOf = (run: StoryRun | undefined): Pick<ExplainedSlot, "run" | "events"> => {
  if (run === undefined) return { run: null, events: [] }
  const { events, ...rest } = run
  return { run: rest, events }
}

/** Far more than are shown: enough that the newest are among them. */
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

const withRun = (run: StoryRun, story: Story): Outcome => {
  const because = reasonOf(run)
  switch (run.status) {
    case "completed":
      return {
        outcome: "completed",
        why: [lateness(run, story), tries(run)].filter(Boolean).join("; ")
      }
    case "failed":
      return { outcome: "failed", why: sentence([because, tries(run)]) }
    case "unknown":
      return { outcome: "unknown", why: sentence([because, "it may have run", heldBy(run, story)]) }
    case "skipped":
      return {
        outcome: "skipped",
        why: SKIPS.get(run.skip_reason ?? "") ?? run.skip_reason ?? "skipped"
      }
    case "running":
      return {
        outcome: "running",
        why: `try ${run.attempt}, started ${ago(story, run.attempt_started_at ?? run.started_at)}`
      }
    case "pending":
      return { outcome: "pending", why: sentence([because, waiting(run, story)]) }
  }
}

const withoutRun = (slot: number, segment: Segment | undefined, story: Story): Outcome | null => {
  const range = story.ranges.find(({ from, to }) => from <= slot && slot <= to)
  if (range !== undefined && segment?.enabled !== false) {
    const why = RANGES.get(range.reason) ?? range.reason
    return { outcome: "passed_over", why: sentence([why, silence(slot, range.recorded_at, story)]) }
  }
  if (segment?.enabled === false) return { outcome: "paused", why: pausedBy(slot, story) }
  const standing = story.integration
  if (standing === null) return { outcome: "missing", why: "the integration was deleted" }
  const open = standing.next_run_at ?? (standing.schedule_since ?? story.to) + 1
  return slot < open
    ? { outcome: "missing", why: "it has no run and no record: please report this" }
    : { outcome: "due", why: blockedBy(slot, story) }
}

/** Why a slot that is due has not been claimed. */
const blockedBy = (slot: number, story: Story): string => {
  const { integration: standing, now, scheduler } = story
  const zone = standing?.timezone ?? "UTC"
  const live = standing?.live_run
  if (live !== null && live !== undefined) {
    const state =
      live.status === "unknown" && standing?.on_unknown === "hold"
        ? "is unknown and held (on_unknown = hold)"
        : `is not over (${live.status})`
    return `the run of ${describeInstant(live.scheduled_for, zone)} ${state}: it waits for that`
  }
  const until = standing?.breaker_until ?? 0
  if (until > now) {
    return `the breaker is open after ${standing?.consecutive_failures} failures in a row, until ${describeInstant(until, zone)}`
  }
  if (scheduler.verdict === "never") return "no engine has ticked yet"
  if (scheduler.verdict === "stopped") {
    return `ticks have stopped: nothing has ticked for ${Duration.rough(now - (scheduler.last_activity_at ?? slot))}`
  }
  return `due for ${Duration.rough(now - slot)}, not claimed yet`
}

const RANGES: ReadonlyMap<string, string> = new Map([
  ["superseded", "passed over: a newer slot was due as well, and catch_up = latest runs only that"],
  ["outside_window", "passed over: older than the catch-up window"],
  ["catch_up_skip", "passed over: it was missed, and catch_up = skip runs no missed slot"],
  ["schedule_changed", "passed over: the schedule was changed while it was due"],
  ["disabled", "passed over while the integration was paused"],
  ["gone", "passed over: the integration was deleted"]
])

const SKIPS: ReadonlyMap<string, string> = new Map([
  ["disabled", "the integration was paused before the run was started"],
  ["gone", "the integration was deleted before the run was started"]
])

/** `HTTP 503 BOOT_ERROR, the function did not start`, as far as it is known. */
const reasonOf = (run: Pick<RunView, "http_status" | "error_code" | "error_message">): string =>
  [
    [run.http_status === null ? "" : `HTTP ${run.http_status}`, run.error_code ?? ""]
      .filter(Boolean)
      .join(" "),
    run.error_message ?? ""
  ]
    .filter(Boolean)
    .join(", ")

const Detail = Schema.Struct({
  http_status: Schema.optionalWith(Schema.Int, { nullable: true, default: () => 0 }),
  error_code: Schema.optionalWith(Schema.String, { nullable: true, default: () => "" }),
  error_message: Schema.optionalWith(Schema.String, { nullable: true, default: () => "" })
})
const decodeDetail = Schema.decodeUnknownEither(Detail)

/** What became of the tries before the last one: `try 1: HTTP 503 BOOT_ERROR`. */
const tries = (run: StoryRun): string =>
  run.events
    .filter(({ attempt, kind }) => kind === "settled" && attempt !== null && attempt < run.attempt)
    .map(({ attempt, detail, reason }) => {
      const decoded = decodeDetail(detail)
      const text = Either.isRight(decoded)
        ? reasonOf({ ...decoded.right, http_status: decoded.right.http_status || null })
        : ""
      return `try ${attempt}: ${text === "" ? (reason ?? "not executed") : text}`
    })
    .join("; ")

/** Why a run started late, when it did: nothing ticked, or it was caught up. */
const lateness = (run: StoryRun, story: Story): string => {
  const drift = run.drift_ms ?? 0
  if (drift < 60_000 || run.started_at === null) return ""
  const late = `started ${Duration.rough(drift)} late`
  return sentence([late, silence(run.scheduled_for, run.started_at, story)])
}

/** `no engine ticked from ... to ...`, when one of the silences covers a part of this time. */
const silence = (from: number, to: number, story: Story): string => {
  const zone = story.integration?.timezone ?? "UTC"
  const quiet = story.silences.find((one) => one.from < to && (one.to ?? story.now) > from)
  if (quiet === undefined) return ""
  const end = quiet.to === null ? "" : ` to ${describeInstant(quiet.to, zone)}`
  return `no engine ticked from ${describeInstant(quiet.from, zone)}${end}`
}

const heldBy = (run: StoryRun, story: Story): string => {
  if (run.released_at !== null) return "released: later slots run"
  const { now } = story
  if (story.integration?.on_unknown === "hold")
    return "held: later slots wait until somebody retries or releases it"
  return run.not_before !== null && run.not_before > now
    ? `tried again in ${Duration.rough(run.not_before - now)}`
    : ""
}

const waiting = (run: StoryRun, story: Story): string => {
  if (run.not_before !== null && run.not_before > story.now) {
    const next = `try ${run.attempt + 1} of ${run.max_attempts} in ${Duration.rough(run.not_before - story.now)}`
    const delay = delayOf(run)
    return delay === "" ? next : `${delay}; ${next}`
  }
  return run.attempt === 0
    ? "claimed, not started yet"
    : `waits for try ${run.attempt + 1} of ${run.max_attempts}`
}

const pausedBy = (slot: number, story: Story): string => {
  const pause = story.actions.findLast(({ at, kind }) => kind === "paused" && at <= slot)
  if (pause === undefined) return "paused"
  const zone = story.integration?.timezone ?? "UTC"
  return `paused since ${describeInstant(pause.at, zone)} by ${pause.actor ?? "somebody"}: ${pause.reason ?? "no reason given"}`
}

const ago = (story: Story, at: number | null): string =>
  at === null ? "" : `${Duration.rough(story.now - at)} ago`

const sentence = (parts: ReadonlyArray<string>): string =>
  parts.filter((part) => part !== "").join("; ")
