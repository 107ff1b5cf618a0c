import { Either, Schema } from "effect"
import type { RunEvent } from "../Domain/RunView.ts"
import { clip, type Html, html } from "./Html.ts"
import { moment } from "./Moment.ts"
import { capital } from "./Naming.ts"

/** What of an event's details people are shown: never what a function was sent or gave back. */
const Detail = Schema.Struct({
  http_status: Schema.optional(Schema.NullOr(Schema.Int)),
  error_code: Schema.optional(Schema.NullOr(Schema.String)),
  error_message: Schema.optional(Schema.NullOr(Schema.String))
})
const readDetail = Schema.decodeUnknownEither(Detail)

const WORDS: Readonly<Record<string, string>> = {
  claimed: "Claimed",
  triggered: "Asked for",
  started: "Started",
  began: "The function began",
  heartbeat: "The function is alive",
  swept: "Swept",
  released: "Released: later slots may run",
  retried: "To be tried again",
  returned: "Given back, not started",
  delayed: "Kept waiting",
  not_counted: "Not counted"
}

/** What an outcome made of the run. */
const OUTCOMES: Readonly<Record<string, string>> = {
  completed: "Completed",
  failed: "Failed",
  unknown: "Outcome unknown",
  pending: "Not executed, to be tried again",
  running: "Accepted: it works in the background"
}

const REASONS: Readonly<Record<string, string>> = {
  lease_ended: "its time ended without an answer",
  never_began: "the function never began, so nothing happened",
  on_unknown_retry: "tried again, as its integration wants it",
  no_attempts_left: "no attempts left",
  foreign: "somebody else's row",
  not_executed: "not executed",
  lock_timeout: "the integration was locked",
  api_throttled: "its accounting API asked to slow down",
  api_limit: "its accounting API is spared, one sync at a time"
}

/** The colour of a point on the line: that of the status the event led to. */
const toneOf = ({ kind, to_status }: RunEvent): string => {
  if (kind === "began" || kind === "heartbeat") return "running"
  return to_status ?? "no_data"
}

/** All that happened to a run, the oldest first. */
export const timeline = (events: ReadonlyArray<RunEvent>, timezone: string, now: number): Html =>
  html`<ol class="timeline">${events.map((event) => {
    const { actor, at, attempt, from_status, kind, reason, to_status } = event
    const word =
      (kind === "settled" ? OUTCOMES[to_status ?? ""] : WORDS[kind]) ??
      capital(kind.replaceAll("_", " "))
    const isTold = kind === "settled" || to_status === null || to_status === from_status
    const led = isTold || kind === "claimed" || kind === "started" ? "" : ` ${to_status}`
    const tried = attempt !== null && attempt > 0 && kind === "started" ? `, try ${attempt}` : ""
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
