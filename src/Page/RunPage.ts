import * as Duration from "../Domain/Duration.ts"
import type { readRun } from "../Domain/OperatorRpc.ts"
import type { Standing } from "../Domain/Standing.ts"
import { type Frame, page } from "./Document.ts"
import { runForms } from "./Forms.ts"
import { type Content, clip, type Html, html } from "./Html.ts"
import { moment, showDayAndTime } from "./Moment.ts"
import { capital, orgName, orgPath, orgText, typeName } from "./Naming.ts"
import { mark } from "./StateMark.ts"
import { timeline } from "./Timeline.ts"

type Answer = typeof readRun.result.Type
type WholeRun = NonNullable<Answer["run"]>

/** What a run page shows: the run, what happened to it, and the integration when it is still there. */
export interface RunMatter extends Pick<Answer, "now" | "events" | "integration"> {
  readonly run: WholeRun
}

/** One run: what became of it, what happens next, and everything that happened on the way. */
export const runPage = (frame: Frame, { events, integration, now, run }: RunMatter): string => {
  const timezone = integration?.timezone ?? frame.timezone
  const org = { org_id: run.org_id, org_name: integration?.org_name ?? null }
  const due = showDayAndTime(run.scheduled_for, timezone, now)
  return page(frame, {
    title: `${capital(run.status)}: ${run.integration_type ?? "run"} of ${orgText(org)}, due ${due}`,
    tone: run.status === "completed" ? "good" : run.status === "failed" ? "bad" : "warn",
    isStopped: false,
    main: html`<section class="pulse"><p class="crumbs"><a href="/">Overview</a> / <a href="${orgPath(run.org_id)}">${orgName(org)}</a> / Run <span class="code">${run.run_id.slice(0, 8)}</span></p>
<h1>${typeName(run.integration_type)}, due ${due}</h1></section>
<section class="sheet answer ${run.status}" aria-label="Outcome"><p>${mark(run.status, capital(run.status))} ${cause(run)}</p><p>${whatNext(run, integration, timezone, now)}</p></section>
${runForms(run, frame.access)}
<section aria-labelledby="h-facts"><div class="head"><h2 id="h-facts">Facts</h2></div><dl class="sheet block facts">${facts(run, timezone, now)}</dl></section>
<section aria-labelledby="h-timeline"><div class="head"><h2 id="h-timeline">Timeline</h2></div><div class="sheet block">${events.length === 0 ? html`<p class="soft">No history was recorded for this run.</p>` : timeline(events, timezone, now)}</div></section>`
  })
}

const cause = (run: WholeRun): Html | string => {
  const parts = [
    run.http_status === null ? "" : `HTTP ${run.http_status}`,
    run.error_code ?? "",
    run.error_message ?? "",
    run.skip_reason === null ? "" : run.skip_reason.replaceAll("_", " ")
  ].filter((part) => part !== "")
  if (run.status === "completed") {
    return run.duration_ms === null ? "" : `in ${Duration.format(run.duration_ms)}.`
  }
  return parts.length === 0 ? "" : html`<bdi>${clip(parts.join(", "), 600)}</bdi>`
}

/** What happens to it next, whoever has to do it. */
const whatNext = (
  run: WholeRun,
  integration: Standing | null,
  timezone: string,
  now: number
): Html => {
  const at = (instant: number): Html => moment(instant, timezone, now)
  switch (run.status) {
    case "completed":
      return html`Nothing more happens to it.${following(integration, timezone, now)}`
    case "failed":
      return html`It is not tried again by itself.${following(integration, timezone, now)}`
    case "skipped":
      return html`It is not run.${following(integration, timezone, now)}`
    case "pending":
      return run.not_before !== null && run.not_before > now
        ? html`Try ${run.attempt + 1} of ${run.max_attempts} from ${at(run.not_before)}, with the same idempotency key.`
        : html`The next tick starts it.`
    case "running":
      return run.lease_until === null
        ? html`It is waited for; when nothing is heard of it, a tick decides.`
        : html`If nothing is heard of it until ${at(run.lease_until)}, the next tick decides.`
    case "unknown":
      return unknownNext(run, integration, at)
  }
}

const unknownNext = (
  run: WholeRun,
  integration: Standing | null,
  at: (instant: number) => Html
): Html => {
  if (run.released_at !== null) {
    return html`It may have happened: look in the target system. It stays as it is, and later slots run.`
  }
  if (integration?.on_unknown === "hold") {
    return html`It may have happened: look in the target system. Later slots wait until its function reports, or somebody retries or releases it.`
  }
  if (run.attempt >= run.max_attempts) {
    return html`It may have happened, and no attempts are left: the next tick releases it, and later slots run.`
  }
  return run.not_before === null
    ? html`It may have happened. The next tick tries it again, with the same idempotency key.`
    : html`It may have happened. It is tried again from ${at(run.not_before)}, with the same idempotency key.`
}

const following = (integration: Standing | null, timezone: string, now: number): Html => {
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
    ["Attempts", `${run.attempt} of ${run.max_attempts}`],
    ["Because of", run.trigger.replaceAll("_", "-")],
    ["Cold start", run.cold_start ? cold : "no"],
    ["HTTP status", run.http_status],
    ["Function began", at(run.began_at)],
    ["Last heartbeat", at(run.heartbeat_at)],
    ["Held by", run.claimed_by],
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
