import { Effect, Option, Schema } from "effect"
import { readTimeline, type TimelineData } from "../Database/OperatorRpc.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import * as Duration from "../Domain/Duration.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import { Supabase } from "../Services/Supabase.ts"
import { explainVerdictOf, neverRuns, pausedSince, sentenceOf } from "./ExplainAnswer.ts"
import { IntegrationState, withState } from "./IntegrationState.ts"
import { actionsOf, NextAction } from "./NextAction.ts"
import { ExplainedSlot, explainSlots, timeIn } from "./SlotTimeline.ts"

const READ_WITHIN_MS = 5_000

/** The output of `explain -o json` and the response of `GET /api/explain/...`. For the values of `answer`, see ExplainAnswer. */
export const Explanation = Schema.Struct({
  now: Instant,
  from: Instant,
  /** The end of the period, exclusive. */
  to: Instant,
  integration_id: Schema.String,
  /** Null if the integration was deleted. */
  integration: Schema.NullOr(IntegrationState),
  answer: Schema.Literal("yes", "partly", "unknown", "no", "not_yet", "nothing_due"),
  /** The answer as sentences: yes or no, then which run, then why. */
  sentence: Schema.String,
  /** The number of slots that were due. */
  expected: Schema.Int,
  completed: Schema.Int,
  /** The slots, oldest first. If there are more slots than the limit, the oldest ones are left out. */
  slots: Schema.Array(ExplainedSlot),
  truncated: Schema.Boolean,
  /** Other facts, such as a pause, an open breaker or an earlier schedule. */
  notes: Schema.Array(Schema.String),
  /** Suggested commands, most useful first. */
  actions: Schema.Array(NextAction),
  /** Null if there is no next slot. `next` then gives the reason. */
  next_run_at: Schema.NullOr(Instant),
  next: Schema.String
})
export type Explanation = typeof Explanation.Type

/** Reads all facts about the slots of an integration in [from, to) and explains them. Writes nothing. */
export const explain = (options: {
  readonly integrationId: string
  readonly from: number
  readonly to: number
  readonly driftAlertMs: number
}): Effect.Effect<Explanation, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase
      .call(readTimeline, {
        p_integration_id: options.integrationId,
        p_from: options.from,
        p_to: options.to,
        p_limit: 500
      })
      .pipe(retryFor(READ_WITHIN_MS))
  ).pipe(
    Effect.map((timeline) =>
      explainTimeline(options.integrationId, timeline, options.driftAlertMs)
    ),
    Effect.withSpan("Operator.explain")
  )

export const explainTimeline = (
  integrationId: string,
  timeline: TimelineData,
  driftAlertMs: number
): Explanation => {
  const { slots, truncated } = explainSlots(timeline)
  const frame = { now: timeline.now, driftAlertMs, scheduler: timeline.scheduler }
  const integration = timeline.integration === null ? null : withState(timeline.integration, frame)
  const expected = slots.filter((slot) => slot.expected)
  const verdict = explainVerdictOf(slots, timeline)
  return {
    now: timeline.now,
    from: timeline.from,
    to: timeline.to,
    integration_id: integrationId,
    integration,
    answer: verdict.answer,
    sentence: sentenceOf(verdict, slots, timeline),
    expected: expected.length,
    completed: expected.filter(({ outcome }) => outcome === "completed").length,
    slots,
    truncated,
    notes: notesOf(timeline, verdict.answer === "nothing_due"),
    actions: actionsOf(verdict, timeline),
    next_run_at: integration?.enabled === true ? integration.next_run_at : null,
    next: nextOf(timeline, driftAlertMs)
  }
}

const notesOf = (timeline: TimelineData, isSaid: boolean): ReadonlyArray<string> => {
  const { integration, now } = timeline
  const notes: Array<string> = []
  if (integration === null) return notes
  const at = (ms: number): string => timeIn(timeline, ms)
  if (!integration.enabled && !isSaid) notes.push(`${pausedSince(timeline)}.`)
  if (integration.schedule_error !== null && !isSaid)
    notes.push(neverRuns(integration.schedule_error))
  if (integration.timezone_is_set === false) {
    notes.push("It has no time zone, so its schedule is interpreted in UTC.")
  }
  const until = integration.breaker_until
  if (until !== null && until > now) {
    notes.push(
      `Its breaker is open until ${at(until)}, after ${integration.consecutive_failures} failures in a row.`
    )
  }
  const health = integration.health
  const holdUntil = health?.hold_until ?? null
  if (health !== null && holdUntil !== null) {
    notes.push(
      `Its provider ${health.provider} (${health.host}) is throttling this organisation: syncs wait until ${at(holdUntil)}.`
    )
  } else if (health !== null && (health.status === "unhealthy" || health.status === "throttled")) {
    const end = health.throttled_until === null ? "" : ` until ${at(health.throttled_until)}`
    notes.push(`Its provider ${health.provider} (${health.host}) is ${health.status}${end}.`)
  }
  const versions = timeline.history.filter(({ schedule }) => schedule !== null)
  for (const { schedule, timezone, to } of versions) {
    if (to === null || to < timeline.from || to > timeline.to) continue
    if (schedule === integration.schedule && timezone === integration.timezone) continue
    notes.push(`Until ${at(to)} its schedule was "${schedule}" (${timezone}).`)
  }
  for (const { from, requested_by, to } of timeline.backfills) {
    notes.push(
      `${requested_by} requested a backfill from ${at(from)} to ${at(to)}; it is in progress.`
    )
  }
  return notes
}

const nextOf = (timeline: TimelineData, driftAlertMs: number): string => {
  const { integration, now, scheduler } = timeline
  if (integration === null) return "none: the integration was deleted"
  if (!integration.enabled) return "none until you resume it"
  if (integration.schedule_error !== null) return "none until the error is fixed"
  if (integration.schedule === null) return "only when it is triggered"
  const at = (ms: number): string => timeIn(timeline, ms)
  const until = integration.breaker_until ?? 0
  if (until > now)
    return `none until its breaker closes at ${at(until)} (in ${Duration.rough(until - now)})`
  const stopped = scheduler.verdict === "ticking" ? "" : ", if an engine ticks by then"
  const waited = now - (integration.schedule_since ?? now)
  return Option.match(Option.fromNullable(integration.next_run_at), {
    onNone: () =>
      waited > driftAlertMs
        ? `not computed yet, although an engine should have computed it ${Duration.rough(waited)} ago: see sync-scheduler doctor`
        : "the next tick computes it",
    onSome: (next) =>
      next <= now
        ? `due since ${at(next)}`
        : `${at(next)} (in ${Duration.rough(next - now)})${stopped}`
  })
}
