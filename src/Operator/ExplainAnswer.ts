import type { TimelineData } from "../Database/OperatorRpc.ts"
import { NO_REASON } from "./Actions.ts"
import { type ExplainedSlot, isOfSchedule, type SlotOutcome, timeIn } from "./SlotTimeline.ts"

/**
 * The answer to "Did it run?".
 *
 * - `yes`: every due run completed.
 * - `partly`: some due runs completed.
 * - `unknown`: no due run completed, but the last due run might have taken effect.
 * - `no`: no due run completed.
 * - `not_yet`: the runs that did not complete are in progress or will be retried.
 * - `nothing_due`: no run was due.
 */
export type ExplainAnswer = "yes" | "partly" | "unknown" | "no" | "not_yet" | "nothing_due"

export interface ExplainVerdict {
  readonly answer: ExplainAnswer
  /** The slots of the schedule. If there are none, the runs outside the schedule. */
  readonly counted: ReadonlyArray<ExplainedSlot>
  readonly completed: number
  /** The newest slot that did not complete; slots with a final outcome take precedence. Undefined when all slots completed. */
  readonly last: ExplainedSlot | undefined
  /** The newest completed run that makes a retry of `last` unnecessary. If catch_up is all, only an unscheduled run counts. */
  readonly since: CompletedRun | undefined
}

/** A completed run. `expected` is true if the schedule triggered the run. */
export interface CompletedRun {
  readonly slot: number
  readonly expected: boolean
}

const OPEN: ReadonlySet<SlotOutcome> = new Set(["running", "pending"])

/** Never answers "no" if a run completed, even outside the schedule. */
export const explainVerdictOf = (
  slots: ReadonlyArray<ExplainedSlot>,
  timeline: TimelineData
): ExplainVerdict => {
  const expected = slots.filter((slot) => slot.expected)
  const counted = expected.length > 0 ? expected : slots.filter(({ run }) => run !== null)
  const completed = counted.filter(({ outcome }) => outcome === "completed").length
  const open = counted.filter(({ outcome }) => OPEN.has(outcome)).length
  const isAny = slots.some(({ outcome }) => outcome === "completed")
  const isOver = ({ outcome }: ExplainedSlot): boolean =>
    outcome !== "completed" && !OPEN.has(outcome)
  const last = counted.findLast(isOver) ?? counted.findLast(({ outcome }) => OPEN.has(outcome))
  const answer = (): ExplainAnswer => {
    if (counted.length === 0) return "nothing_due"
    if (completed === counted.length) return "yes"
    if (completed + open === counted.length) return "not_yet"
    if (isAny) return "partly"
    return last?.outcome === "unknown" ? "unknown" : "no"
  }
  const isAttempted = last !== undefined && isOver(last) && last.run !== null
  const since = isAttempted ? after(last, slots, timeline) : undefined
  return { answer: answer(), counted, completed, last, since }
}

/** Finds the newest run that completed after a slot. */
const after = (
  { slot }: ExplainedSlot,
  slots: ReadonlyArray<ExplainedSlot>,
  { integration }: TimelineData
): CompletedRun | undefined => {
  const last = integration?.last_run ?? null
  const runs: ReadonlyArray<CompletedRun> = [
    ...slots.filter(({ outcome }) => outcome === "completed"),
    ...(last?.status === "completed" && !slots.some((one) => one.slot === last.scheduled_for)
      ? [{ slot: last.scheduled_for, expected: isOfSchedule(last) }]
      : [])
  ]
  const isEach = integration?.catch_up === "all"
  return runs.findLast((run) => run.slot > slot && !(isEach && run.expected))
}

export const sentenceOf = (
  { answer, completed, counted, last, since }: ExplainVerdict,
  slots: ReadonlyArray<ExplainedSlot>,
  timeline: TimelineData
): string => {
  const total = counted.length
  const outside = counted[0]?.expected === false ? ", outside the schedule" : ""
  const of = `${completed} of ${total} ${total === 1 ? "run" : "runs"} completed${outside}`
  const then = since === undefined ? "" : ` ${laterOf(since, timeline)}`
  const why = last === undefined ? "" : `${phraseOf(last, timeline, since)}${then}`
  switch (answer) {
    case "yes": {
      const [only] = counted
      return total === 1 && only !== undefined
        ? `Yes. The ${timeIn(timeline, only.slot)} run completed${outside}.`
        : `Yes. All ${total} runs completed${outside}.`
    }
    case "not_yet":
      return completed > 0 && isFresh(last) ? `Yes, so far. ${of}. ${why}` : `Not yet. ${why}`
    case "partly":
      return completed === 0
        ? `Partly. ${why}${since === undefined ? ` ${besides(slots, timeline)}` : ""}`
        : `Partly. ${of}; ${tally(counted)}. ${why}`
    case "unknown":
    case "no": {
      const word = answer === "no" ? "No" : "Unknown"
      return total === 1 ? `${word}. ${why}` : `${word}. ${of}; ${tally(counted)}. ${why}`
    }
    case "nothing_due":
      return `No. ${nothingDue(slots, timeline)}`
  }
}

/** Returns whether the run is in its first attempt or has not started, so that no attempt can have failed. */
const isFresh = (slot: ExplainedSlot | undefined): boolean =>
  slot?.run?.attempt === (slot?.outcome === "running" ? 1 : 0)

const WORDS: Readonly<Record<SlotOutcome, string>> = {
  completed: "completed",
  failed: "failed",
  unknown: "unknown",
  running: "in progress",
  pending: "waiting",
  skipped: "skipped",
  skipped_range: "skipped",
  paused: "paused",
  due: "not started",
  missing: "missing"
}

/** Counts the slots that did not complete: `5 failed, 1 skipped`. */
const tally = (slots: ReadonlyArray<ExplainedSlot>): string =>
  [...Map.groupBy(slots, ({ outcome }) => WORDS[outcome])]
    .filter(([word]) => word !== WORDS.completed)
    .map(([word, those]) => `${those.length} ${word}`)
    .join(", ")

const phraseOf = (
  { outcome, run, slot, why }: ExplainedSlot,
  timeline: TimelineData,
  since: CompletedRun | undefined
): string => {
  const the = `The ${timeIn(timeline, slot)} run`
  const because = why === "" ? "." : `: ${ended(why)}`
  switch (outcome) {
    case "failed":
      // If another run has completed since, a retry no longer matters.
      return `${the} failed${because}${since === undefined ? ` ${finality(run)}` : ""}`
    case "unknown":
      return `${the} may have taken effect${because}`
    case "running":
      return `${the} is in progress${because}`
    case "pending":
      return `${the} ${run?.attempt === 0 ? "is about to start" : "is being retried"}${because}`
    case "skipped":
    case "skipped_range":
      return `${the} was skipped${because}`
    case "due":
      return `${the} has not started${because}`
    case "missing":
      return `${the} is missing${because}`
    case "paused":
    case "completed":
      return ""
  }
}

const laterOf = ({ expected, slot }: CompletedRun, timeline: TimelineData): string =>
  expected
    ? `The ${timeIn(timeline, slot)} run completed.`
    : `An unscheduled run completed at ${timeIn(timeline, slot)}.`

const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

const finality = (run: ExplainedSlot["run"]): string => {
  if (run === null) return ""
  return run.attempt > 1 && run.attempt >= run.max_attempts
    ? `Failed after ${run.attempt} attempts.`
    : `Failed on attempt ${run.attempt}; failures are not retried.`
}

const besides = (slots: ReadonlyArray<ExplainedSlot>, timeline: TimelineData): string => {
  const others = slots.filter(({ expected, outcome }) => !expected && outcome === "completed")
  const [first] = others
  return others.length === 1 && first !== undefined
    ? laterOf(first, timeline)
    : `${others.length} runs outside the schedule completed.`
}

const nothingDue = (slots: ReadonlyArray<ExplainedSlot>, timeline: TimelineData): string => {
  const { integration } = timeline
  if (integration === null) return "The integration was deleted."
  const wasPaused = slots.some(({ outcome }) => outcome === "paused")
  if (!integration.enabled) return `${pausedSince(timeline)}.`
  if (integration.schedule_error !== null) {
    return neverRuns(integration.schedule_error)
  }
  if (integration.schedule === null) return "It has no schedule; it runs only when triggered."
  if (wasPaused) return `${pausedSince(timeline)}.`
  const since = integration.schedule_since ?? timeline.from
  return since >= timeline.to
    ? `Its schedule has been in force only since ${timeIn(timeline, since)}.`
    : "Nothing was scheduled in this period."
}

/**
 * Matches the start of a message from `sync_scheduler.row_fault`. A message about an invalid schedule starts with a field of the
 * cron expression.
 */
const OF_ROW =
  /^(?:enabled|org_id|integration_type|sync_schedule|timezone|function_name|health_url|config|next_run_at|schedule_since|catch_up|catch_up_window) (?:is|has) /

export const neverRuns = (fault: string): string => {
  const isOfRow = OF_ROW.test(fault)
  return `${isOfRow ? "It never runs" : "The schedule is invalid, so it never runs"}: ${ended(fault)}`
}

/** Returns `Paused since 11-18 09:12 by ada@ops: "moving to a new ERP"`. */
export const pausedSince = (timeline: TimelineData): string => {
  const { actions, history, integration } = timeline
  const pause = actions.findLast(({ at, kind }) => kind === "paused" && at < timeline.to)
  const disabled = history.findLast(({ enabled, from }) => !enabled && from < timeline.to)
  const since = pause?.at ?? disabled?.from
  const by = pause === undefined ? "" : ` by ${pause.actor ?? "an unnamed person"}`
  const reason = pause?.reason ?? integration?.paused_reason ?? ""
  const why = reason === "" || reason === NO_REASON ? ` (${NO_REASON})` : `: "${reason}"`
  return `Paused${since === undefined ? "" : ` since ${timeIn(timeline, since)}`}${by}${why}`
}
