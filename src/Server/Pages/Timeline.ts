import { Either, Schema } from "effect"
import { reasonOf } from "../../Domain/RunReason.ts"
import type { RunEvent } from "../../Domain/RunView.ts"
import { capital } from "./DisplayNames.ts"
import { clip, type Html, html } from "./Html.ts"
import { moment } from "./TimeFormat.ts"

/** The event details that the page shows, without function requests and responses. */
const Detail = Schema.Struct({
  http_status: Schema.optional(Schema.NullOr(Schema.Int)),
  error_code: Schema.optional(Schema.NullOr(Schema.String)),
  error_message: Schema.optional(Schema.NullOr(Schema.String))
})
const readDetail = Schema.decodeUnknownEither(Detail)

const WORDS: Readonly<Record<string, string>> = {
  claimed: "Claimed",
  triggered: "Triggered",
  started: "Started",
  began: "The function began",
  heartbeat: "The function is alive",
  swept: "Swept",
  released: "Released: later slots can run",
  retried: "Retry requested",
  returned: "Released before it started",
  delayed: "Delayed",
  not_counted: "Attempt not counted"
}

const OUTCOMES: Readonly<Record<string, string>> = {
  completed: "Completed",
  failed: "Failed",
  unknown: "Outcome unknown",
  pending: "Not executed, will be retried",
  running: "Accepted: the function is working in the background"
}

const REASONS: Readonly<Record<string, string>> = {
  lease_ended: "the lease ended without an answer",
  never_began: "the function never began, so nothing happened",
  on_unknown_retry: "retried, because the integration has on_unknown = retry",
  no_attempts_left: "no attempts left",
  foreign: "the row was not written by an engine",
  not_executed: "not executed",
  lock_timeout: "the integration was locked",
  api_throttled: "its accounting API is throttling requests",
  api_limit: "its accounting API is limited to one sync at a time"
}

/** Returns the tone of the status after the event. */
export const toneOf = ({ kind, to_status }: RunEvent): string => {
  if (kind === "began" || kind === "heartbeat") return "running"
  if (kind === "settled" && to_status === "pending") return "retrying"
  return to_status ?? "never_ran"
}

export const outcomeOf = ({ kind, to_status }: RunEvent): string =>
  ((kind === "settled" ? OUTCOMES[to_status ?? ""] : WORDS[kind]) ?? kind).toLowerCase()

export const timeline = (events: ReadonlyArray<RunEvent>, timezone: string, now: number): Html =>
  html`<ol class="timeline">${events.map((event) => {
    const { actor, at, attempt, from_status, kind, reason, to_status } = event
    const word =
      (kind === "settled" ? OUTCOMES[to_status ?? ""] : WORDS[kind]) ??
      capital(kind.replaceAll("_", " "))
    const isNews = to_status !== null && to_status !== from_status
    const led =
      isNews && (kind === "swept" || !(kind in WORDS)) && kind !== "settled" ? ` ${to_status}` : ""
    const tried =
      attempt !== null && attempt > 0 && kind === "started" ? `, attempt ${attempt}` : ""
    return html`<li class="${toneOf(event)}"><span class="soft">${moment(at, timezone, now)}</span><div><b>${word}${tried}</b>${led}${reason !== null && kind !== "settled" && html`, <bdi>${clip(REASONS[reason] ?? reason, 500)}</bdi>`}${details(event)}${actor !== null && html`<span class="sub">by <bdi>${clip(actor, 120)}</bdi></span>`}</div></li>`
  })}</ol>`

const details = ({ detail }: RunEvent): Html | false => {
  const read = readDetail(detail)
  if (Either.isLeft(read)) return false
  const { error_code, error_message, http_status } = read.right
  const parts = [
    http_status === null || http_status === undefined ? "" : `HTTP ${http_status}`,
    error_code ?? "",
    error_message ?? ""
  ].filter((part) => part !== "")
  return parts.length > 0 && html`<p class="soft"><bdi>${clip(parts.join(", "), 600)}</bdi></p>`
}

/** Returns the recorded reason for the end of an attempt, or an empty string. */
export const reasonIn = ({ detail }: RunEvent): string => {
  const read = readDetail(detail)
  if (Either.isLeft(read)) return ""
  const { error_code = null, error_message = null, http_status = null } = read.right
  return reasonOf({ error_code, error_message, http_status })
}
