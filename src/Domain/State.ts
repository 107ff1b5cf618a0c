import { Schema } from "effect"
import * as Duration from "./Duration.ts"
import type { Pulse } from "./Pulse.ts"
import { delayOf, type RunView } from "./RunView.ts"
import type { Standing } from "./Standing.ts"

/** How an integration is, the worst first: the order in which people are shown them. */
export const StateName = Schema.Literal(
  "overdue",
  "invalid_schedule",
  "unknown",
  "breaker_open",
  "failing",
  "stale",
  "late",
  "no_data",
  "running",
  "paused",
  "on_time"
)
export type StateName = typeof StateName.Type

/** `bad` wants somebody now, `warn` a look, `busy` and `off` nothing; only `good` may be shown green. */
export const Tone = Schema.Literal("bad", "warn", "busy", "off", "good")
export type Tone = typeof Tone.Type

/** What each state looks like: in words, by shape, by tone. Never by colour alone. */
export const APPEARANCE: Readonly<
  Record<StateName, { readonly word: string; readonly symbol: string; readonly tone: Tone }>
> = {
  overdue: { word: "overdue", symbol: "✗", tone: "bad" },
  invalid_schedule: { word: "invalid schedule", symbol: "!", tone: "bad" },
  unknown: { word: "unknown", symbol: "?", tone: "bad" },
  breaker_open: { word: "breaker open", symbol: "⊘", tone: "bad" },
  failing: { word: "failing", symbol: "✗", tone: "bad" },
  stale: { word: "not known", symbol: "~", tone: "warn" },
  late: { word: "late", symbol: "▲", tone: "warn" },
  no_data: { word: "never ran", symbol: "○", tone: "off" },
  running: { word: "running", symbol: "…", tone: "busy" },
  paused: { word: "paused", symbol: "‖", tone: "off" },
  on_time: { word: "on time", symbol: "✓", tone: "good" }
}

/** What a state is decided from besides the integration: the database's clock, the drift alert, and whether anything ticks. */
export interface Frame {
  readonly now: number
  readonly driftAlertMs: number
  readonly pulse: Pick<Pulse, "verdict" | "last_activity_at">
}

/** An integration's state, since when (a slot or an instant, null: not known), and why in one line. */
export interface State {
  readonly state: StateName
  readonly since: number | null
  readonly why: string
}

/** A run that an engine of ours did not start has no lease; it is given this long, as by the sweeper. */
const FOREIGN_LEASE_MS = 30 * 60_000
/** The sweeper looks at a lease once a tick: only later than that, nobody does. */
const SWEEP_MS = 60_000

/**
 * Decides how an integration is. A run that is under way is not overdue because its slot is past; a state that would be
 * fine is `stale` when nothing ticks, because then nobody would know. Pure: the same facts, the same state.
 */
export const decide = (standing: Standing, frame: Frame): State => {
  const state = factsOf(standing, frame)
  const isFine = APPEARANCE[state.state].tone !== "bad" && state.state !== "paused"
  if (frame.pulse.verdict === "ticking" || !isFine) return state
  const last = frame.pulse.last_activity_at
  const silence =
    last === null ? "no engine has ticked yet" : `nothing has ticked for ${ago(frame, last)}`
  return {
    state: "stale",
    since: last,
    why: `${silence}; last known: ${APPEARANCE[state.state].word}`
  }
}

/** Whether people are to look at it: what `status --exit-status` tells. */
export const needsAttention = (state: StateName): boolean => {
  const { tone } = APPEARANCE[state]
  return tone === "bad" || tone === "warn"
}

/** The worst first; of the same state, the one that has lasted longest. */
export const compare = (a: State, b: State): number =>
  rank(a.state) - rank(b.state) || (a.since ?? 0) - (b.since ?? 0)

const rank = (state: StateName): number => StateName.literals.indexOf(state)

const factsOf = (standing: Standing, frame: Frame): State => {
  const { breaker_until, enabled, live_run, schedule_error } = standing
  if (!enabled) {
    return { state: "paused", since: null, why: standing.paused_reason ?? "disabled" }
  }
  if (schedule_error !== null) {
    return { state: "invalid_schedule", since: standing.schedule_since, why: schedule_error }
  }
  const live = live_run === null ? null : liveState(live_run, standing, frame)
  if (live !== null && live.state !== "running") return live
  if (breaker_until !== null && breaker_until > frame.now && live === null) {
    const failures = standing.consecutive_failures
    return {
      state: "breaker_open",
      since: standing.failing_since,
      why: `${failures} failures in a row; tried again in ${Duration.rough(breaker_until - frame.now)}${because(standing.last_run)}`
    }
  }
  return (live === null ? waitingState(standing, frame) : null) ?? pastState(standing, frame, live)
}

/** Something is due and nobody has it; null: nothing is, or not for long. */
const waitingState = (standing: Standing, frame: Frame): State | null => {
  const { next_run_at: due, schedule, schedule_since: since } = standing
  if (schedule === null) return null
  if (due !== null && frame.now - due > frame.driftAlertMs) {
    return { state: "overdue", since: due, why: `due ${ago(frame, due)} ago, not started` }
  }
  if (due === null && since !== null && frame.now - since > frame.driftAlertMs) {
    const why = `its next run has not been computed for ${ago(frame, since)}`
    return { state: "overdue", since, why }
  }
  return null
}

/** What the run that is not over is like: overdue, unknown, or simply running. */
const liveState = (run: RunView, standing: Standing, frame: Frame): State => {
  const { now } = frame
  if (run.status === "unknown") {
    const then =
      standing.on_unknown === "hold"
        ? "later slots wait until somebody retries or releases it"
        : run.not_before !== null && run.not_before > now
          ? `tried again in ${Duration.rough(run.not_before - now)}`
          : "the next tick decides"
    return {
      state: "unknown",
      since: run.scheduled_for,
      why: `may have run${because(run)}; ${then}`
    }
  }
  if (run.status === "running") {
    const started = run.attempt_started_at ?? run.started_at ?? run.created_at ?? run.scheduled_for
    const end = run.lease_until ?? started + FOREIGN_LEASE_MS
    const what = `try ${run.attempt} has run for ${ago(frame, started)}`
    return now - end > SWEEP_MS
      ? {
          state: "overdue",
          since: run.scheduled_for,
          why: `${what}, ${ago(frame, end)} past its time`
        }
      : { state: "running", since: started, why: what }
  }
  const ready = Math.max(run.not_before ?? 0, run.created_at ?? run.scheduled_for)
  if (now - ready > frame.driftAlertMs) {
    const by = run.claimed_by === null ? "waits" : `claimed by ${run.claimed_by}`
    const why = `${by} for ${ago(frame, ready)}, not started`
    return { state: "overdue", since: run.scheduled_for, why }
  }
  const when = ready > now ? `in ${Duration.rough(ready - now)}` : "with the next tick"
  const delay = delayOf(run)
  const held = delay === "" ? "" : `: ${delay}`
  return run.attempt === 0
    ? { state: "running", since: run.created_at, why: `starts ${when}${held}` }
    : {
        state: "running",
        since: run.created_at,
        why: `try ${run.attempt} of ${run.max_attempts} did not work${because(run)}; again ${when}`
      }
}

/** What the last run says, while nothing is wrong with the next one. */
const pastState = (standing: Standing, frame: Frame, live: State | null): State => {
  const { consecutive_failures: failures, failing_since, last_run: last } = standing
  const now = live === null ? "" : `; ${live.why}`
  if (last?.status === "failed") {
    const times = failures > 1 ? `${failures} times in a row` : "the last run failed"
    return { state: "failing", since: failing_since, why: `${times}${because(last)}${now}` }
  }
  if (last?.status === "unknown") {
    const why = `the last run may have run${because(last)}${now}`
    return { state: "unknown", since: last.scheduled_for, why }
  }
  if (live === null && last?.status === "completed" && (last.drift_ms ?? 0) > frame.driftAlertMs) {
    const why = `the last run started ${Duration.rough(last.drift_ms ?? 0)} late`
    return { state: "late", since: last.scheduled_for, why }
  }
  if (live !== null) return live
  const next =
    standing.next_run_at === null
      ? standing.schedule === null
        ? "it has no schedule"
        : "its next run is being computed"
      : standing.next_run_at <= frame.now
        ? "the next one is due now"
        : `next in ${Duration.rough(standing.next_run_at - frame.now)}`
  if (last === null) return { state: "no_data", since: null, why: next }
  const took = last.duration_ms === null ? "" : `, took ${Duration.format(last.duration_ms)}`
  const ran =
    last.status === "skipped"
      ? "its last slot was skipped"
      : `ran ${ago(frame, last.started_at ?? last.scheduled_for)} ago${took}`
  return { state: "on_time", since: last.scheduled_for, why: `${ran}; ${next}` }
}

const ago = ({ now }: Frame, at: number): string => Duration.rough(now - at)

/** `: HTTP 401 INVALID_KEY, no such user`, as far as it is known. */
const because = (run: RunView | null): string => {
  if (run === null) return ""
  const http = run.http_status === null ? "" : `HTTP ${run.http_status}`
  const code = [http, run.error_code ?? ""].filter((part) => part !== "").join(" ")
  const text = [code, run.error_message ?? ""].filter((part) => part !== "").join(", ")
  return text === "" ? "" : `: ${text}`
}
