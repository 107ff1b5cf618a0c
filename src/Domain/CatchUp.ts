import { Either, Option } from "effect"
import type { DueIntegration, PassedOver, Slot } from "./Integration.ts"
import * as Schedule from "./Schedule.ts"

/** The settings that a decision about missed slots depends on, in milliseconds. */
export interface CatchUpPolicy {
  readonly driftAlertMs: number
  /** How far back `all` goes, where the integration does not say. */
  readonly catchUpWindowMs: number
}

/** A slot to run (or null: only move on), what follows it, and what is passed over. */
interface Choice {
  readonly scheduled_for: number | null
  readonly next_run_at: number | null
  readonly passed_over: PassedOver | null
}

/** Slots from `first` on, up to and including `upTo`; `first` is one, on the cron's grid or not. */
const passedOver = (
  schedule: Schedule.Schedule,
  first: number,
  upTo: number,
  reason: PassedOver["reason"]
): PassedOver | null => {
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

/** The newest slot runs, however old; what it supersedes is passed over. */
const latest = (schedule: Schedule.Schedule, first: number, now: number): Choice => {
  const target = Option.getOrElse(Schedule.summarise(schedule, first, now).latest, () => first)
  return {
    scheduled_for: target,
    next_run_at: nextOrNull(schedule, now),
    passed_over: passedOver(schedule, first, target - 1, "superseded")
  }
}

/** Each slot inside the window runs, oldest first; the older ones are passed over. */
const all = (schedule: Schedule.Schedule, first: number, now: number, windowMs: number): Choice => {
  const horizon = now - windowMs
  if (first >= horizon) {
    return {
      scheduled_for: first,
      next_run_at: nextOrNull(schedule, first),
      passed_over: null
    }
  }
  const target = nextOrNull(schedule, horizon - 1)
  const isDue = target !== null && target <= now
  return {
    scheduled_for: isDue ? target : null,
    next_run_at: isDue ? nextOrNull(schedule, target) : target,
    passed_over: passedOver(schedule, first, horizon - 1, "outside_window")
  }
}

/** Only a slot that is not missed runs. */
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
      passed_over: newest.passed_over && { ...newest.passed_over, reason: "catch_up_skip" }
    }
  }
  return {
    ...newest,
    scheduled_for: null,
    passed_over: passedOver(schedule, first, now, "catch_up_skip")
  }
}

const choose = (
  schedule: Schedule.Schedule,
  integration: DueIntegration,
  first: number,
  now: number,
  policy: CatchUpPolicy
): Choice => {
  if (first > now) return { scheduled_for: null, next_run_at: first, passed_over: null }
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
 * Decides what happens to one due integration at `now` (the database clock, epoch milliseconds): which of its due slots
 * is claimed, what is passed over, and which slot follows. A slot is missed when a newer one is due too, or when it is
 * later than the drift alert; running it then is a catch-up. A schedule that cannot be computed becomes a
 * `schedule_error`, never a failure of the tick. *Guarantees*: bounded in time whatever the length of the outage.
 */
export const decide = (integration: DueIntegration, now: number, policy: CatchUpPolicy): Slot => {
  const slot = {
    integration_id: integration.integration_id,
    org_id: integration.org_id,
    schedule_version: integration.schedule_version,
    expected_next_run_at: integration.next_run_at,
    scheduled_for: null,
    trigger: "schedule" as const,
    next_run_at: null,
    passed_over: null,
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
