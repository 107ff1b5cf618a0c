import type { RunView } from "../Domain/RunView.ts"
import type { ActionName } from "../Operator/Actions.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import type { Access } from "./Document.ts"
import { empty, type Html, html } from "./Html.ts"
import { orgPath, runPath } from "./Naming.ts"

/** What a form does and to what, what its button says, what it warns of, and where it leads. */
interface Action {
  readonly action: ActionName
  readonly kind: "integrations" | "runs"
  readonly id: string
  readonly word: string
  readonly note: string
  readonly next: string
}

/**
 * A button that opens a form, which asks for the reason that is recorded with the action. It is sent to where programs
 * send theirs, with the session's token, and leads on to `next`, which then says what was done.
 */
const ask = ({ action, id, kind, next, note, word }: Action, csrf: string): Html => {
  const name = `${action}-${id}`
  return html`<details class="ask" id="${name}"><summary class="button">${word}</summary><form method="post" action="/api/${kind}/${encodeURIComponent(id)}/${action}"><p class="soft">${note}</p><label for="${name}-reason">Reason</label><input id="${name}-reason" name="reason" required maxlength="500" autocomplete="off" placeholder="Recorded with your name"><input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="next" value="${next}?did=${action}"><button class="main">${word}</button></form></details>`
}

/** What may be done to an integration; nothing for whoever may not act. */
export const integrationForms = (integration: IntegrationState, access: Access): Html => {
  if (access._tag !== "SignedIn") return empty
  const { enabled, integration_id: id, org_id } = integration
  const next = orgPath(org_id)
  const act = (action: ActionName, word: string, note: string): Html =>
    ask({ action, kind: "integrations", id, word, note, next }, access.csrf)
  const trigger = act(
    "trigger",
    "Run now",
    "A run outside the schedule, whose slot is now. The next tick starts it; it cannot be called back."
  )
  const pause = act(
    "pause",
    "Pause",
    "No slot runs until it is resumed. Slots that pass are recorded as passed over and never run by themselves."
  )
  const resume = act(
    "resume",
    "Resume",
    "Slots run again from now on. None that passed while it was paused is run."
  )
  const isOpen = integration.state === "breaker_open"
  return html`<div class="acts">${enabled ? html`${trigger}${isOpen && resume}${pause}` : resume}</div>`
}

const AGAIN = "One more attempt, with the same idempotency key."
const NEXT = `${AGAIN} The next tick starts it.`
const MAYBE = `It may have happened already: look in the target system first. ${AGAIN} It waits until its function must be over.`

/** Running a finished run again, or letting later slots run; nothing where that cannot be, or for who may not act. */
export const runForms = (run: RunView, access: Access): Html => {
  if (access._tag !== "SignedIn") return empty
  const isUnknown = run.status === "unknown"
  if (!isUnknown && run.status !== "failed" && run.status !== "skipped") return empty
  const common = { kind: "runs", id: run.run_id, next: runPath(run.run_id) } as const
  const retry = {
    ...common,
    action: "retry",
    word: "Retry",
    note: isUnknown ? MAYBE : NEXT
  } as const
  const release = {
    ...common,
    action: "release",
    word: "Release",
    note: "It stays unknown, and later slots run again: for when it is known what became of it."
  } as const
  return html`<div class="acts">${ask(retry, access.csrf)}${isUnknown && run.released_at === null && ask(release, access.csrf)}</div>`
}

const DONE: Readonly<Record<ActionName, string>> = {
  trigger: "Asked for: a run outside the schedule. The next tick starts it.",
  retry: "Asked for: one more attempt.",
  release: "Released: later slots run again.",
  pause: "Paused: no slot runs until it is resumed.",
  resume: "Resumed: it runs from its next slot on."
}

/** What was done, for the page that follows; null for what is no action. */
export const doneNotice = (action: string | null): string | null =>
  Object.entries(DONE).find(([name]) => name === action)?.[1] ?? null
