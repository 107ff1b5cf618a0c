import { Schema } from "effect"
import * as Duration from "./Duration.ts"
import type { IntegrationStatus } from "./IntegrationStatus.ts"
import { reasonOf } from "./RunReason.ts"
import { delayOf, type RunView } from "./RunView.ts"
import type { SchedulerHealth } from "./SchedulerHealth.ts"

/** The states of an integration, worst first. */
export const StateName = Schema.Literal(
  "overdue",
  "invalid_schedule",
  "unknown",
  "failing",
  "retrying",
  "stale",
  "late",
  "running",
  "never_ran",
  "paused",
  "on_time"
)
export type StateName = typeof StateName.Type

/** `critical` and `warning` need attention. Only `ok` may be shown in green. */
export const Severity = Schema.Literal("critical", "warning", "active", "idle", "ok")
export type Severity = typeof Severity.Type

/** The word, symbol and severity of each state. No view distinguishes states by colour alone. */
export const APPEARANCE: Readonly<
  Record<StateName, { readonly word: string; readonly symbol: string; readonly severity: Severity }>
> = {
  overdue: { word: "overdue", symbol: "✗", severity: "critical" },
  // Not "invalid schedule", because another column of the row can be invalid.
  invalid_schedule: { word: "misconfigured", symbol: "!", severity: "critical" },
  unknown: { word: "unknown", symbol: "?", severity: "critical" },
  failing: { word: "failing", symbol: "✗", severity: "critical" },
  retrying: { word: "retrying", symbol: "↻", severity: "warning" },
  stale: { word: "not known", symbol: "~", severity: "warning" },
  late: { word: "late", symbol: "▲", severity: "warning" },
  running: { word: "running", symbol: "…", severity: "active" },
  never_ran: { word: "never ran", symbol: "○", severity: "idle" },
  paused: { word: "paused", symbol: "‖", severity: "idle" },
  on_time: { word: "on time", symbol: "✓", severity: "ok" }
}

/** `now` is the database's time in epoch milliseconds. */
export interface StateContext {
  readonly now: number
  readonly driftAlertMs: number
  readonly scheduler: Pick<SchedulerHealth, "verdict" | "last_activity_at">
}

/** An integration's state. `since` is the slot or instant at which the state began; null if unknown. */
export interface State {
  readonly state: StateName
  readonly since: number | null
  readonly why: string
}

/** The assumed lease of a run that no engine started, in milliseconds. The sweeper assumes the same lease. */
const FOREIGN_LEASE_MS = 30 * 60_000
/** A run is overdue if its lease ended more than this many milliseconds ago. Each tick checks the leases once. */
const SWEEP_MS = 60_000

/**
 * Returns the worst state implied by the next slot, the run in progress and the last run. All views show this state.
 *
 * *Guarantees*: pure. Returns `on_time` only if an engine is ticking, no slot is overdue, no run is in progress, and the newest
 * attempted run completed.
 */
export const decideState = (status: IntegrationStatus, frame: StateContext): State => {
  const state = worst(candidates(status, frame))
  const { severity } = APPEARANCE[state.state]
  const isAlive = frame.scheduler.verdict === "ticking"
  if (isAlive || severity === "critical" || state.state === "paused") return state
  const last = frame.scheduler.last_activity_at
  const silence =
    last === null ? "no engine has ticked yet" : `no engine has ticked for ${ago(frame, last)}`
  return {
    state: "stale",
    since: last,
    why: `${silence}; last known: ${APPEARANCE[state.state].word}`
  }
}

export const needsAttention = (state: StateName): boolean => {
  const { severity } = APPEARANCE[state]
  return severity === "critical" || severity === "warning"
}

/** Compares states for sorting: worst first, then longest-lasting first. */
export const compareStates = (a: State, b: State): number =>
  rank(a.state) - rank(b.state) || (a.since ?? 0) - (b.since ?? 0)

const rank = (state: StateName): number => StateName.literals.indexOf(state)

/** Returns the worst candidate. The first one wins a tie. */
const worst = ([first, ...others]: Candidates): State =>
  others.reduce<State>((most, one) => (rank(one.state) < rank(most.state) ? one : most), first)

type Candidates = readonly [State, ...ReadonlyArray<State>]

const candidates = (status: IntegrationStatus, frame: StateContext): Candidates => {
  const { enabled, live_run: live, schedule_error } = status
  if (!enabled) {
    const paused = status.paused_reason ?? "disabled"
    const open = live?.status === "unknown" ? [liveState(live, status, frame)] : []
    const state = { state: "paused", since: null, why: paused } as const
    return [state, ...open.map((one) => ({ ...one, why: `paused (${paused}); ${one.why}` }))]
  }
  if (schedule_error !== null) {
    return [{ state: "invalid_schedule", since: status.schedule_since, why: schedule_error }]
  }
  const rejected = rejectedState(status, frame)
  // The rejection comes first, because it also explains an `overdue` state.
  if (rejected !== null) return [rejected, ...otherCandidates(status, frame)]
  return otherCandidates(status, frame)
}

const otherCandidates = (status: IntegrationStatus, frame: StateContext): Candidates => {
  const { live_run: live } = status
  if (live === null) {
    const next = nextState(status, frame)
    return [pastState(status, frame), ...(next === null ? [] : [next])]
  }
  const now = liveState(live, status, frame)
  const past = problemOf(status)
  return past === null ? [now] : [{ ...past, why: `${past.why}; ${now.why}` }, now]
}

/** Returns null unless the database rejects a due slot or a pending run. */
const rejectedState = (status: IntegrationStatus, { now }: StateContext): State | null => {
  const { live_run: live, next_run_at: due, rejection, schedule_since } = status
  const isWaiting = live === null ? due === null || due <= now : live.status === "pending"
  if (rejection === undefined || rejection === null || !isWaiting) return null
  const since = live?.scheduled_for ?? due ?? schedule_since
  return { state: "overdue", since, why: rejectedBy(rejection) }
}

export const rejectedBy = (rejection: string): string => `the database rejects it: ${rejection}`

/** Returns the state for an unclaimed overdue slot. Returns null if there is no such slot or if a breaker is open. */
const nextState = (status: IntegrationStatus, frame: StateContext): State | null => {
  const { breaker_until, next_run_at: due, schedule, schedule_since: since } = status
  if (schedule === null || (breaker_until !== null && breaker_until > frame.now)) return null
  if (due !== null && frame.now - due > frame.driftAlertMs) {
    return { state: "overdue", since: due, why: `due ${ago(frame, due)} ago and not started` }
  }
  if (due === null && since !== null && frame.now - since > frame.driftAlertMs) {
    const why = `its next run has not been computed for ${ago(frame, since)}`
    return { state: "overdue", since, why }
  }
  return null
}

const liveState = (run: RunView, status: IntegrationStatus, frame: StateContext): State => {
  switch (run.status) {
    case "unknown":
      return openState(run, status, frame)
    case "running":
      return runningState(run, frame)
    default:
      return waitingState(run, frame)
  }
}

const openState = (run: RunView, status: IntegrationStatus, { now }: StateContext): State => {
  const then =
    status.on_unknown === "hold"
      ? "later slots wait until the run is retried or released"
      : run.not_before !== null && run.not_before > now
        ? `retries in ${Duration.rough(run.not_before - now)}`
        : "the next tick decides"
  return {
    state: "unknown",
    since: run.scheduled_for,
    why: `may have run${because(run)}; ${then}`
  }
}

const runningState = (run: RunView, frame: StateContext): State => {
  const started = run.attempt_started_at ?? run.started_at ?? run.created_at ?? run.scheduled_for
  const end = run.lease_until ?? started + FOREIGN_LEASE_MS
  const what = `attempt ${run.attempt} has run for ${ago(frame, started)}`
  if (frame.now - end > SWEEP_MS) {
    const why = `${what}, ${ago(frame, end)} past its time limit`
    return { state: "overdue", since: run.scheduled_for, why }
  }
  return run.attempt > 1
    ? {
        state: "retrying",
        since: run.scheduled_for,
        why: `${what}; earlier attempts did not complete`
      }
    : { state: "running", since: started, why: what }
}

const waitingState = (run: RunView, frame: StateContext): State => {
  const { driftAlertMs, now } = frame
  const claimed = run.created_at ?? run.scheduled_for
  const ready = Math.max(run.not_before ?? 0, claimed)
  if (now - ready > driftAlertMs) {
    const by = run.claimed_by === null ? "waiting" : `claimed by ${run.claimed_by}`
    const why = `${by}, not started for ${ago(frame, ready)}`
    return { state: "overdue", since: run.scheduled_for, why }
  }
  const when = ready > now ? `in ${Duration.rough(ready - now)}` : "with the next tick"
  const delay = delayOf(run)
  if (run.attempt > 0) {
    const what = `attempt ${run.attempt} of ${run.max_attempts} did not complete${because(run)}`
    return { state: "retrying", since: run.scheduled_for, why: `${what}; retries ${when}` }
  }
  const why = `starts ${when}${delay === "" ? "" : `: ${delay}`}`
  return now - claimed > driftAlertMs
    ? { state: "late", since: run.scheduled_for, why: `due ${ago(frame, claimed)} ago; ${why}` }
    : { state: "running", since: run.created_at, why }
}

/** Returns the state for the problem of the last attempted run; null if there was no problem. */
const problemOf = (status: IntegrationStatus): State | null => {
  const { consecutive_failures: failures, failing_since, last_run: last } = status
  switch (last?.status) {
    case "failed": {
      const times = failures > 1 ? `${failures} times in a row` : "the last run failed"
      return { state: "failing", since: failing_since, why: `${times}${because(last)}` }
    }
    case "skipped":
      return last.attempt > 0
        ? {
            state: "failing",
            since: failing_since ?? last.scheduled_for,
            why: `the last run was skipped after attempt ${last.attempt} did not complete${because(last)}`
          }
        : null
    case "completed":
    case undefined:
      return null
    default:
      return {
        state: "unknown",
        since: last?.scheduled_for ?? null,
        why: `the last run may have taken effect${because(last ?? null)}`
      }
  }
}

const pastState = (status: IntegrationStatus, frame: StateContext): State => {
  const { breaker_until, last_completed_slot, last_run: last } = status
  const trouble = problemOf(status)
  if (breaker_until !== null && breaker_until > frame.now) {
    const held = `its breaker is open; next attempt in ${Duration.rough(breaker_until - frame.now)}`
    return trouble === null
      ? { state: "failing", since: status.failing_since, why: held }
      : { ...trouble, why: `${trouble.why}; ${held}` }
  }
  if (trouble !== null) return trouble
  const next = nextOf(status, frame)
  if (last === null) return { state: "never_ran", since: null, why: next }
  if (last.status !== "completed") {
    const why = `the slot of its last run was skipped; ${next}`
    return { state: last_completed_slot === null ? "never_ran" : "stale", since: null, why }
  }
  const since = last.scheduled_for
  if ((last.drift_ms ?? 0) > frame.driftAlertMs) {
    const why = `the last run started ${Duration.rough(last.drift_ms ?? 0)} late`
    return { state: "late", since, why }
  }
  const took = last.duration_ms === null ? "" : `, took ${Duration.format(last.duration_ms)}`
  const why = `ran ${ago(frame, last.started_at ?? since)} ago${took}; ${next}`
  return { state: "on_time", since, why }
}

const nextOf = (
  { next_run_at: next, schedule }: IntegrationStatus,
  { now }: StateContext
): string => {
  if (next === null)
    return schedule === null ? "it has no schedule" : "its next run is being computed"
  return next <= now ? "the next one is due now" : `next in ${Duration.rough(next - now)}`
}

const ago = ({ now }: StateContext, at: number): string => Duration.rough(now - at)

/** Formats the reason of a run as `: TOKEN_EXPIRED, "Xledger answered 401"`. Returns an empty string if no reason is known. */
const because = (run: RunView | null): string => {
  if (run === null) return ""
  const text = reasonOf(run)
  return text === "" ? "" : `: ${text}`
}
