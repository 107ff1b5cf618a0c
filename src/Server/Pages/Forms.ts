import type { RunView } from "../../Domain/RunView.ts"
import type { ActionName } from "../../Operator/Actions.ts"
import type { CauseGroup } from "../../Operator/CauseGroup.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { orgPath } from "./DisplayNames.ts"
import type { PageAccess, PageFrame } from "./Document.ts"
import { copyable } from "./FirstSteps.ts"
import { empty, type Html, html } from "./Html.ts"

interface ActionForm {
  /** An id that is unique on the page. */
  readonly name: string
  readonly path: string
  readonly fields?: ReadonlyArray<readonly [name: string, value: string]>
  readonly word: string
  readonly note: string
  /** The page to redirect to. */
  readonly next: string
}

/** Renders a button that opens a form for entering a reason. The form posts to `path`, and the response redirects to `next`. */
const actionForm = (
  { fields = [], name, next, note, path, word }: ActionForm,
  csrf: string
): Html => {
  const hidden = [...fields, ["csrf", csrf], ["next", next]] as const
  return html`<details class="ask" id="${name}"><summary class="button">${word}</summary><form method="post" action="${path}"><p class="soft">${note}</p><label for="${name}-reason">Reason</label><input id="${name}-reason" name="reason" required maxlength="500" autocomplete="off" placeholder="Recorded with your name">${hidden.map(([key, value]) => html`<input type="hidden" name="${key}" value="${value}">`)}<button class="main">${word}</button></form></details>`
}

/** Renders forms side by side; nothing if all are empty. */
export const acts = (...forms: ReadonlyArray<Html>): Html =>
  forms.every(({ markup }) => markup === "") ? empty : html`<div class="acts">${forms}</div>`

const actionOn = (
  kind: "integrations" | "runs",
  id: string,
  action: ActionName,
  words: Pick<ActionForm, "word" | "note" | "next">
): ActionForm => ({
  ...words,
  name: `${action}-${id}`,
  path: `/api/${kind}/${encodeURIComponent(id)}/${action}`,
  next: `${words.next}?did=${action}`
})

export const RETRY_CAUSE = "/retry-cause"

/** Renders the form that retries all failed runs of a cause, if the user can do so. */
export const causeForm = ({ key, retryable }: CauseGroup, { access }: PageFrame): Html => {
  if (access._tag !== "SignedIn" || retryable === 0) return empty
  const word = retryable === 1 ? "Retry" : `Retry all ${retryable.toLocaleString("en-US")}`
  const note = `${AGAIN} The next ticks start ${retryable === 1 ? "it" : "them"}.`
  const fields = [["cause", key]] as const
  return acts(
    actionForm(
      { name: `retry-${key}`, path: RETRY_CAUSE, fields, word, note, next: "/" },
      access.csrf
    )
  )
}

/** Renders the forms that trigger, pause or resume an integration, if the user can do so. */
export const integrationForms = (integration: IntegrationState, access: PageAccess): Html => {
  if (access._tag !== "SignedIn") return empty
  const { enabled, integration_id: id, org_id } = integration
  const next = orgPath(org_id)
  const act = (action: ActionName, word: string, note: string): Html =>
    actionForm(actionOn("integrations", id, action, { word, note, next }), access.csrf)
  const trigger = act(
    "trigger",
    "Run now",
    "Requests a run outside the schedule, due now. The next tick starts it; a started run cannot be cancelled."
  )
  const pause = act(
    "pause",
    "Pause",
    "No slot runs until you resume it. Slots that become due in the meantime are skipped and recorded. A run in progress finishes."
  )
  const resume = act(
    "resume",
    "Resume",
    "Slots run again from now on. Slots that passed during the pause are not run."
  )
  const isHeld = integration.breaker_until !== null && integration.state === "failing"
  return enabled ? html`${trigger}${isHeld && resume}${pause}` : resume
}

const AGAIN = "Requests one more attempt with the same idempotency key."
const NEXT = `${AGAIN} The next tick starts it.`
const MAYBE = `The sync may have taken effect: check the target system first. ${AGAIN} The attempt waits until the previous one can no longer be running.`

/** Renders the forms that retry or release a run, if the user can do so. `next` is the page to redirect to. */
export const runForms = (run: RunView | null, access: PageAccess, next: string): Html => {
  if (access._tag !== "SignedIn" || run === null) return empty
  const isUnknown = run.status === "unknown"
  if (!isUnknown && run.status !== "failed" && run.status !== "skipped") return empty
  const on = (action: ActionName, word: string, note: string): Html =>
    actionForm(actionOn("runs", run.run_id, action, { word, note, next }), access.csrf)
  const retry = on("retry", "Retry", isUnknown ? MAYBE : NEXT)
  const release = on(
    "release",
    "Release",
    "Later slots no longer wait for this run, which stays unknown. Use this if you know how the run ended."
  )
  return html`${retry}${isUnknown && run.released_at === null && release}`
}

/** Renders the commands that retry or release a run, for users who cannot do so on this page. */
export const runCommands = (run: RunView, frame: PageFrame): Html => {
  const isOver = run.status === "failed" || run.status === "skipped"
  if (frame.access._tag === "SignedIn" || !(isOver || run.status === "unknown")) return empty
  const id = run.run_id.slice(0, 8)
  const retry = `sync-scheduler runs retry ${id} --wait`
  const release = `sync-scheduler runs release ${id}`
  return html`<section aria-labelledby="h-commands"><div class="head"><h2 id="h-commands">${isOver ? "Run it again" : "Decide"}</h2></div><div class="sheet block commands">${!isOver && html`<p class="soft">If it did not run, retry it. If it did, release it so that later slots can run.</p>`}${copyable(frame, retry)}${!isOver && run.released_at === null && copyable(frame, release)}</div></section>`
}

const DONE: Readonly<Record<ActionName, string>> = {
  trigger: "Requested a run outside the schedule. The next tick starts it.",
  retry: "Requested one more attempt.",
  release: "Released: later slots run again.",
  pause: "Paused: no slot runs until you resume it.",
  resume: "Resumed: it runs again from its next slot."
}

/**
 * Returns the notice for the `did` parameter. The parameter is an action, or text such as `retried-198-of-200` after a retry of
 * all failed runs of a cause.
 */
export const doneNotice = (action: string | null): string | null => {
  const [, done, of] = /^retried-(\d{1,5})-of-(\d{1,5})$/.exec(action ?? "") ?? []
  return done === undefined || of === undefined
    ? (Object.entries(DONE).find(([name]) => name === action)?.[1] ?? null)
    : `Requested one more attempt for ${done} of ${of} failed runs. The next ticks start them.`
}
