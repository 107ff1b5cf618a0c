import { Effect, Option, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import { readStory, type Story } from "../Domain/OperatorRpc.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import { describeInstant } from "../Domain/Schedule.ts"
import { Supabase } from "../Services/Supabase.ts"
import { IntegrationState, withState } from "./Overview.ts"
import { ExplainedSlot, explainSlots } from "./SlotStory.ts"

const READ_WITHIN_MS = 5_000

/**
 * Whether an integration ran, and why (not): what `explain -o json` prints and `GET /api/explain/...` answers. `answer`:
 * every slot that was to run has completed (yes), some have (partly), none (no), it is under way (not_yet), or there was
 * nothing to run (nothing_due).
 */
export const Explanation = Schema.Struct({
  now: Instant,
  from: Instant,
  /** Exclusive. */
  to: Instant,
  integration_id: Schema.String,
  /** Null: it was deleted. */
  integration: Schema.NullOr(IntegrationState),
  answer: Schema.Literal("yes", "partly", "no", "not_yet", "nothing_due"),
  /** The answer in a sentence, with its reason. */
  sentence: Schema.String,
  /** Slots that were to run by the schedule, and how many of them have completed. */
  expected: Schema.Int,
  completed: Schema.Int,
  /** Oldest first; of very many, the newest. */
  slots: Schema.Array(ExplainedSlot),
  truncated: Schema.Boolean,
  /** What else bears on it: breaker, provider, policy, requests to run past slots, schedules that were in force. */
  notes: Schema.Array(Schema.String),
  /** The next slot; null: none, `next` says why. */
  next_run_at: Schema.NullOr(Instant),
  next: Schema.String
})
export type Explanation = typeof Explanation.Type

/** Reads all that bears on the slots of an integration in [from, to) and explains them. Writes nothing. */
export const explain = (options: {
  readonly integrationId: string
  readonly from: number
  readonly to: number
  readonly driftAlertMs: number
}): Effect.Effect<Explanation, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase
      .call(readStory, {
        p_integration_id: options.integrationId,
        p_from: options.from,
        p_to: options.to,
        p_limit: 500
      })
      .pipe(repeatFor(READ_WITHIN_MS))
  ).pipe(
    Effect.map((story) => explainStory(options.integrationId, story, options.driftAlertMs)),
    Effect.withSpan("Operator.explain")
  )

/** The explanation of a story. Pure: the same facts, the same answer. */
export const explainStory = (
  integrationId: string,
  story: Story,
  driftAlertMs: number
): Explanation => {
  const { slots, truncated } = explainSlots(story)
  const frame = { now: story.now, driftAlertMs, pulse: story.scheduler }
  const integration = story.integration === null ? null : withState(story.integration, frame)
  const expected = slots.filter((slot) => slot.expected)
  const completed = expected.filter(({ outcome }) => outcome === "completed").length
  const answer = answerOf(expected, completed)
  return {
    now: story.now,
    from: story.from,
    to: story.to,
    integration_id: integrationId,
    integration,
    answer,
    sentence: sentenceOf(answer, expected, completed, slots, story),
    expected: expected.length,
    completed,
    slots,
    truncated,
    notes: notesOf(story),
    next_run_at: integration?.enabled === true ? integration.next_run_at : null,
    next: nextOf(story)
  }
}

const UNDER_WAY: ReadonlySet<string> = new Set(["running", "pending"])

const answerOf = (
  expected: ReadonlyArray<ExplainedSlot>,
  completed: number
): Explanation["answer"] => {
  if (expected.length === 0) return "nothing_due"
  if (completed === expected.length) return "yes"
  const open = expected.filter(({ outcome }) => UNDER_WAY.has(outcome)).length
  if (completed + open === expected.length) return completed === 0 || open > 0 ? "not_yet" : "yes"
  return completed > 0 ? "partly" : "no"
}

const sentenceOf = (
  answer: Explanation["answer"],
  expected: ReadonlyArray<ExplainedSlot>,
  completed: number,
  slots: ReadonlyArray<ExplainedSlot>,
  story: Story
): string => {
  const of = `${completed} of ${expected.length} ${expected.length === 1 ? "slot" : "slots"}`
  const last = expected.findLast(({ outcome }) => outcome !== "completed")
  const zone = story.integration?.timezone ?? "UTC"
  const at = last === undefined ? "" : describeInstant(last.slot, zone)
  switch (answer) {
    case "yes":
      return `Yes: ${of} completed.`
    case "not_yet":
      return `Not yet: ${of} completed; that of ${at} is ${last?.outcome}${tail(last)}.`
    case "partly":
      return `In part: ${of} completed; that of ${at} ${SAYS[last?.outcome ?? "missing"]}${tail(last)}.`
    case "no":
      return `No: ${of} completed; that of ${at} ${SAYS[last?.outcome ?? "missing"]}${tail(last)}.`
    case "nothing_due":
      return `No: ${nothingDue(slots, story)}`
  }
}

const SAYS: Readonly<Record<ExplainedSlot["outcome"], string>> = {
  completed: "completed",
  failed: "failed",
  unknown: "is unknown",
  running: "is running",
  pending: "waits",
  skipped: "was skipped",
  passed_over: "did not run",
  paused: "did not run",
  due: "has not started",
  missing: "is missing"
}

const tail = (slot: ExplainedSlot | undefined): string =>
  slot === undefined || slot.why === "" ? "" : `: ${slot.why}`

const nothingDue = (slots: ReadonlyArray<ExplainedSlot>, story: Story): string => {
  const others = slots.filter(({ run }) => run !== null).length
  const besides =
    others === 0
      ? ""
      : ` ${others === 1 ? "1 run" : `${others} runs`} outside the schedule: see below.`
  const paused = slots.findLast(({ outcome }) => outcome === "paused")
  const { integration } = story
  if (paused !== undefined) return `it was ${paused.why}.${besides}`
  if (integration === null) return `the integration was deleted.${besides}`
  if (integration.schedule_error !== null) {
    return `its schedule cannot be computed, so it never runs: ${integration.schedule_error}.${besides}`
  }
  if (integration.schedule === null) return `it has no schedule.${besides}`
  const since = integration.schedule_since ?? story.from
  if (since >= story.to)
    return `its schedule is in force only since ${describeInstant(since, integration.timezone)}.${besides}`
  return `no slot of "${integration.schedule}" (${integration.timezone}) was in that time.${besides}`
}

const notesOf = (story: Story): ReadonlyArray<string> => {
  const { integration, now } = story
  const notes: Array<string> = []
  if (integration === null) return notes
  const zone = integration.timezone
  const until = integration.breaker_until
  if (until !== null && until > now) {
    notes.push(
      `The breaker is open until ${describeInstant(until, zone)}, after ${integration.consecutive_failures} failures in a row. Close it: sync-scheduler schedules resume ${integration.integration_id}`
    )
  }
  const health = integration.health
  if (health !== null && (health.status === "unhealthy" || health.status === "throttled")) {
    const end =
      health.throttled_until === null
        ? ""
        : ` until ${describeInstant(health.throttled_until, zone)}`
    notes.push(`Its provider ${health.provider} (${health.host}) is ${health.status}${end}.`)
  }
  if (integration.live_run?.status === "unknown" && integration.on_unknown === "hold") {
    const { run_id } = integration.live_run
    notes.push(
      `Nothing of it runs until somebody decides (on_unknown = hold): sync-scheduler runs retry ${run_id}, or runs release ${run_id} once it is known that it ran.`
    )
  }
  const versions = story.history.filter(({ schedule }) => schedule !== null)
  for (const { schedule, timezone, to } of versions) {
    if (to === null || to < story.from || to > story.to) continue
    if (schedule === integration.schedule && timezone === zone) continue
    notes.push(`Until ${describeInstant(to, zone)} its schedule was "${schedule}" (${timezone}).`)
  }
  for (const { from, requested_by, to } of story.backfills) {
    notes.push(
      `${requested_by} asked for a backfill from ${describeInstant(from, zone)} to ${describeInstant(to, zone)}; ticks work it off.`
    )
  }
  return notes
}

const nextOf = ({ integration, now, scheduler }: Story): string => {
  if (integration === null) return "never: it was deleted"
  if (!integration.enabled) return "not until it is resumed"
  if (integration.schedule_error !== null) return "not until its schedule is put right"
  if (integration.schedule === null) return "only when it is triggered"
  const until = integration.breaker_until ?? 0
  if (until > now) {
    return `not until its breaker closes, ${describeInstant(until, integration.timezone)} (in ${Duration.rough(until - now)})`
  }
  const stopped = scheduler.verdict === "ticking" ? "" : ", if an engine ticks by then"
  return Option.match(Option.fromNullable(integration.next_run_at), {
    onNone: () => "being computed",
    onSome: (at) =>
      at <= now
        ? `due since ${describeInstant(at, integration.timezone)}`
        : `${describeInstant(at, integration.timezone)} (in ${Duration.rough(at - now)})${stopped}`
  })
}
