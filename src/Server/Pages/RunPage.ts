import type { readRun } from "../../Database/OperatorRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import type { IntegrationStatus } from "../../Domain/IntegrationStatus.ts"
import { reasonOf } from "../../Domain/RunReason.ts"
import { attemptOf } from "../../Domain/RunView.ts"
import { readingAt, showDate } from "../../Domain/Schedule/WallClock.ts"
import { capital, orgName, orgPath, orgText, runPath, typeName } from "./DisplayNames.ts"
import { type PageFrame, page } from "./Document.ts"
import { copyable } from "./FirstSteps.ts"
import { acts, runCommands, runForms } from "./Forms.ts"
import { type Content, clip, empty, type Html, html } from "./Html.ts"
import { mark } from "./StateMark.ts"
import { clockOf, moment, showDayAndTime, zoneName } from "./TimeFormat.ts"
import { timeline } from "./Timeline.ts"
import { waterfall } from "./Waterfall.ts"

type Answer = typeof readRun.result.Type
type WholeRun = NonNullable<Answer["run"]>

export interface RunModel extends Pick<Answer, "now" | "events" | "integration"> {
  readonly run: WholeRun
  /** The URL of the function's logs; null if unknown. */
  readonly logsUrl?: string | null
}

export const runPage = (
  frame: PageFrame,
  { events, integration, logsUrl, now, run }: RunModel
): string => {
  const timezone = integration?.timezone ?? frame.timezone
  const org = { org_id: run.org_id, org_name: integration?.org_name ?? null }
  const due = showDayAndTime(run.scheduled_for, timezone, now)
  const attempts = waterfall(events, run, timezone, now)
  return page(frame, {
    title: `${capital(lookOf(run))}: ${run.integration_type ?? "run"} of ${orgText(org)}, due ${due}`,
    tone: run.status === "completed" ? "good" : run.status === "failed" ? "bad" : "warn",
    isStopped: false,
    main: html`<section class="page-head"><p class="crumbs"><a href="/">Overview</a> / <a href="${orgPath(run.org_id)}">${orgName(org)}</a> / Run <span class="code">${run.run_id.slice(0, 8)}</span></p>
<h1>${typeName(run.integration_type)}, due ${due}</h1><p class="text"><a href="${orgPath(run.org_id)}?on=${dayOf(run.scheduled_for, timezone)}">All runs of that day</a>${logsUrl != null && html` · <a href="${logsUrl}" rel="noreferrer">Logs of the function in the Supabase dashboard</a>`}</p></section>
<section class="sheet answer ${lookOf(run)}" aria-label="Outcome"><p>${mark(lookOf(run), capital(lookOf(run)))} ${cause(run)}</p><p>${whatNext(run, integration, timezone, now)}</p></section>
${acts(runForms(run, frame.access, runPath(run.run_id)))}
${runCommands(run, frame)}
${attempts.markup !== "" && html`<section aria-labelledby="h-attempts"><div class="head"><h2 id="h-attempts">Attempts</h2><p class="soft">${zoneName(clockOf(timezone), run.scheduled_for)}</p></div><div class="sheet block">${attempts}</div></section>`}
${answered(run, frame)}
<section aria-labelledby="h-facts"><div class="head"><h2 id="h-facts">Facts</h2></div><dl class="sheet block facts">${facts(run, timezone, now)}</dl></section>
${events.length > 0 && html`<section aria-labelledby="h-timeline"><div class="head"><h2 id="h-timeline">Timeline</h2></div><div class="sheet block">${timeline(events, timezone, now)}</div></section>`}`
  })
}

/** Returns the status to show. A run that waits for its next attempt is shown as retrying. */
const lookOf = ({ attempt, status }: WholeRun): string =>
  status === "pending" && attempt > 0 ? "retrying" : status

const cause = (run: WholeRun): Html | string => {
  if (run.status === "completed") {
    return run.duration_ms === null ? "" : `in ${Duration.format(run.duration_ms)}.`
  }
  const skipped = run.skip_reason === null ? "" : run.skip_reason.replaceAll("_", " ")
  const why = [reasonOf(run), skipped].filter((part) => part !== "").join(", ")
  return why === "" ? "" : html`<bdi>${clip(why, 600)}</bdi>`
}

/** The maximum length of a response on the page, in characters. */
const MAX_ANSWER = 4_000
/** Matches invisible characters, and characters that change the text direction. */
const UNSEEN = /[\p{Cf}\p{Cc}\u2028\u2029]/gu

const HOW =
  "This command shows the answer. This page shows the answer only to signed-in operators; signing in requires SYNC_SCHEDULER_ADMIN_TOKEN."

/**
 * Renders the function's response. The response can contain the organisation's data, so only users with the admin token see it.
 */
const answered = ({ response, run_id }: WholeRun, frame: PageFrame): Html => {
  if (response === null || response === undefined) return empty
  if (frame.answers !== "shown") {
    const signIn = html`<a href="/sign-in?next=${encodeURIComponent(frame.path)}">Sign in</a> with the admin token to see it here, or use this command.`
    const how = frame.answers === "sign-in" ? signIn : HOW
    return html`<section aria-labelledby="h-answer"><div class="head"><h2 id="h-answer">The function's answer</h2></div><div class="sheet block commands"><p class="soft text">The answer may contain the organisation's own data. ${how}</p>${copyable(frame, `sync-scheduler runs show ${run_id.slice(0, 8)} -o json`)}</div></section>`
  }
  const text = JSON.stringify(response, null, 2).replaceAll(UNSEEN, (character) =>
    character === "\n"
      ? character
      : `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`
  )
  return html`<section aria-labelledby="h-answer"><div class="head"><h2 id="h-answer">The function's answer</h2></div><div class="sheet block"><pre class="answered" tabindex="0"><code>${clip(text, MAX_ANSWER)}</code></pre></div></section>`
}

const dayOf = (at: number, timezone: string): string => showDate(readingAt(clockOf(timezone), at))

const whatNext = (
  run: WholeRun,
  integration: IntegrationStatus | null,
  timezone: string,
  now: number
): Html => {
  const at = (instant: number): Html => moment(instant, timezone, now)
  switch (run.status) {
    case "completed":
      return html`The run is finished.${following(integration, timezone, now)}`
    case "failed":
      return html`Failed on attempt ${run.attempt}; failures are not retried automatically.${following(integration, timezone, now)}`
    case "skipped":
      return html`This slot will not run.${following(integration, timezone, now)}`
    case "pending":
      return run.not_before !== null && run.not_before > now
        ? html`Attempt ${run.attempt + 1} of ${run.max_attempts} starts at ${at(run.not_before)} or later, with the same idempotency key.`
        : html`The next tick starts it.`
    case "running":
      return run.lease_until === null
        ? html`If the function does not report, a tick retries the run or marks it unknown.`
        : html`If the function has not reported by ${at(run.lease_until)}, the next tick retries the run or marks it unknown.`
    case "unknown":
      return unknownNext(run, integration, at)
  }
}

const unknownNext = (
  run: WholeRun,
  integration: IntegrationStatus | null,
  at: (instant: number) => Html
): Html => {
  if (run.released_at !== null) {
    return html`The sync may have taken effect: check the target system. The run stays unknown, and later slots run.`
  }
  if (integration?.on_unknown === "hold") {
    return html`The sync may have taken effect: check the target system. Later slots wait until the function reports, or until you retry or release the run.`
  }
  if (run.attempt >= run.max_attempts) {
    return html`The sync may have taken effect, and no attempts are left. The next tick releases the run, which unblocks later slots.`
  }
  return run.not_before === null
    ? html`The sync may have taken effect. The next tick retries the run with the same idempotency key.`
    : html`The sync may have taken effect. The run is retried at ${at(run.not_before)} or later, with the same idempotency key.`
}

const following = (integration: IntegrationStatus | null, timezone: string, now: number): Html => {
  if (integration === null) return html` Its integration was deleted.`
  if (!integration.enabled) return html` Its integration is paused.`
  const next = integration.next_run_at
  return next === null
    ? html``
    : html` The next run of this integration is due ${moment(next, timezone, now)}.`
}

const facts = (run: WholeRun, timezone: string, now: number): ReadonlyArray<Html> => {
  const at = (instant: number | null): Html | null =>
    instant === null ? null : moment(instant, timezone, now)
  const span = (ms: number | null): string | null => (ms === null ? null : Duration.format(ms))
  const cold =
    run.warm_up_ms === null ? "yes" : `yes, warmed up in ${Duration.format(run.warm_up_ms)}`
  const list: ReadonlyArray<readonly [name: string, value: Content]> = [
    ["Due", at(run.scheduled_for)],
    ["Started", at(run.started_at)],
    ["Late by", span(run.drift_ms)],
    ["Took", span(run.duration_ms)],
    ["Finished", at(run.finished_at)],
    ["Attempts", attemptOf(run)],
    ["Trigger", run.trigger.replaceAll("_", "-")],
    ["Cold start", run.cold_start ? cold : "no"],
    ["HTTP status", run.http_status],
    ["Function began", at(run.began_at)],
    ["Last heartbeat", at(run.heartbeat_at)],
    ["Engine", run.claimed_by],
    ["Run id", html`<code>${run.run_id}</code>`],
    [
      "Idempotency key",
      run.idempotency_key === null ? null : html`<code>${run.idempotency_key}</code>`
    ]
  ]
  return list
    .filter(([, value]) => value !== null)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)
}
