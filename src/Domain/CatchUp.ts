import { Either, Option } from "effect"
import type { DueIntegration, SkippedRange, Slot } from "./Integration.ts"
import * as Schedule from "./Schedule/Schedule.ts"

export interface CatchUpPolicy {
  readonly driftAlertMs: number
  /** How far back catch-up `all` reaches if the integration does not set a window. */
  readonly catchUpWindowMs: number
}

/** `scheduled_for` is null if there is no slot to run. */
interface Choice {
  readonly scheduled_for: number | null
  readonly next_run_at: number | null
  readonly skipped_range: SkippedRange | null
}

/** The range includes `first` and `upTo`. `first` is a slot even if the cron expression does not match it. */
const skippedRange = (
  schedule: Schedule.Schedule,
  first: number,
  upTo: number,
  reason: SkippedRange["reason"]
): SkippedRange | null => {
  if (upTo < first) return null
  const rest = Schedule.summarise(schedule, first, upTo)
  return {
    from: first,
    to: Option.getOrElse(rest.latest, () => first),
    count: rest.count + 1,
    reason
  }
}

const nextOrNull = (schedule: Schedule.Schedule, after: number) =>
  Option.getOrNull(Schedule.next(schedule, after))

const latest = (schedule: Schedule.Schedule, first: number, now: number): Choice => {
  const target = Option.getOrElse(Schedule.summarise(schedule, first, now).latest, () => first)
  return {
    scheduled_for: target,
    next_run_at: nextOrNull(schedule, now),
    skipped_range: skippedRange(schedule, first, target - 1, "superseded")
  }
}

const all = (schedule: Schedule.Schedule, first: number, now: number, windowMs: number): Choice => {
  const horizon = now - windowMs
  if (first >= horizon) {
    return {
      scheduled_for: first,
      next_run_at: nextOrNull(schedule, first),
      skipped_range: null
    }
  }
  const target = nextOrNull(schedule, horizon - 1)
  const isDue = target !== null && target <= now
  return {
    scheduled_for: isDue ? target : null,
    next_run_at: isDue ? nextOrNull(schedule, target) : target,
    skipped_range: skippedRange(schedule, first, horizon - 1, "outside_window")
  }
}

/** Runs the newest due slot if it is not missed, and skips all other due slots. */
const skip = (
  schedule: Schedule.Schedule,
  first: number,
  now: number,
  driftAlertMs: number
): Choice => {
  const newest = latest(schedule, first, now)
  if (newest.scheduled_for === null || now - newest.scheduled_for <= driftAlertMs) {
    return {
      ...newest,
      skipped_range: newest.skipped_range && { ...newest.skipped_range, reason: "catch_up_skip" }
    }
  }
  return {
    ...newest,
    scheduled_for: null,
    skipped_range: skippedRange(schedule, first, now, "catch_up_skip")
  }
}

const choose = (
  schedule: Schedule.Schedule,
  integration: DueIntegration,
  first: number,
  now: number,
  policy: CatchUpPolicy
): Choice => {
  if (first > now) return { scheduled_for: null, next_run_at: first, skipped_range: null }
  switch (integration.catch_up) {
    case "latest":
      return latest(schedule, first, now)
    case "skip":
      return skip(schedule, first, now, policy.driftAlertMs)
    case "all":
      return all(schedule, first, now, integration.catch_up_window_ms ?? policy.catchUpWindowMs)
  }
}

/**
 * Decides which due slot to claim, which slots to skip, and which slot is next. `now` is the database's time in epoch
 * milliseconds. A slot is missed if a newer slot is also due, or if it has been due for longer than `driftAlertMs`.
 * *Guarantees*: never fails, and the computation time is bounded, even after a long outage.
 */
export const decideCatchUp = (
  integration: DueIntegration,
  now: number,
  policy: CatchUpPolicy
): Slot => {
  const slot = {
    integration_id: integration.integration_id,
    org_id: integration.org_id,
    schedule_version: integration.schedule_version,
    expected_next_run_at: integration.next_run_at,
    scheduled_for: null,
    trigger: "schedule" as const,
    next_run_at: null,
    skipped_range: null,
    schedule_error: null
  }
  return Either.match(Schedule.parse(integration.sync_schedule, integration.timezone), {
    onLeft: (error): Slot => ({ ...slot, schedule_error: `${error.detail}. ${error.hint}` }),
    onRight: (schedule): Slot => {
      const first =
        integration.next_run_at ?? nextOrNull(schedule, integration.schedule_since) ?? Infinity
      const choice = choose(schedule, integration, first, now, policy)
      const target = choice.scheduled_for
      const newerIsDue = target !== null && choice.next_run_at !== null && choice.next_run_at <= now
      const isLate = target !== null && now - target > policy.driftAlertMs
      return { ...slot, ...choice, trigger: newerIsDue || isLate ? "catch_up" : "schedule" }
    }
  })
}
