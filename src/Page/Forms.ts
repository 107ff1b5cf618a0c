import type { RunView } from "../Domain/RunView.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import type { Access } from "./Document.ts"
import { empty, type Html, html } from "./Html.ts"
import { orgPath, runPath } from "./Naming.ts"

/** What a form does: where it is sent, what its button says, what it warns of, and where it leads. */
interface Action {
  readonly id: string
  readonly path: string
  readonly word: string
  readonly note: string
  readonly next: string
}

/** A button that opens a form, which asks for the reason that is recorded with the action. */
const ask = ({ id, next, note, path, word }: Action, csrf: string): Html =>
  html`<details class="ask" id="${id}"><summary class="button">${word}</summary><form method="post" action="${path}"><p class="soft">${note}</p><label for="${id}-reason">Reason</label><input id="${id}-reason" name="reason" required maxlength="500" autocomplete="off" placeholder="Recorded with your name"><input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="next" value="${next}"><button class="main">${word}</button></form></details>`

/** What may be done to an integration; nothing for whoever may not act. */
export const integrationForms = (integration: IntegrationState, access: Access): Html => {
  if (access._tag !== "SignedIn") return empty
  const { enabled, integration_id: id, org_id } = integration
  const next = orgPath(org_id)
  const act = (action: Omit<Action, "id" | "path" | "next">, verb: string): Html =>
    ask(
      { ...action, id: `${verb}-${id}`, path: `/api/integrations/${id}/${verb}`, next },
      access.csrf
    )
  const trigger = act(
    {
      word: "Run now",
      note: "A run outside the schedule, whose slot is now. The next tick starts it; it cannot be called back."
    },
    "trigger"
  )
  const pause = act(
    {
      word: "Pause",
      note: "No slot runs until it is resumed. Slots that pass are recorded as passed over and never run by themselves."
    },
    "pause"
  )
  const resume = act(
    {
      word: "Resume",
      note: "Slots run again from now on. None that passed while it was paused is run."
    },
    "resume"
  )
  const isOpen = integration.state === "breaker_open"
  return html`<div class="acts">${enabled ? html`${trigger}${isOpen && resume}${pause}` : resume}</div>`
}

/** Running a finished run again; nothing where that cannot be, or for whoever may not act. */
export const runForms = (run: RunView, access: Access): Html => {
  const isFinished = ["failed", "unknown", "skipped"].includes(run.status)
  if (access._tag !== "SignedIn" || !isFinished) return empty
  const note =
    run.status === "unknown"
      ? "It may have happened already: look in the target system first. It is sent again with the same idempotency key."
      : "One more attempt, with the same idempotency key."
  const action = {
    id: `retry-${run.run_id}`,
    path: `/api/runs/${encodeURIComponent(run.run_id)}/retry`,
    word: "Retry",
    note,
    next: runPath(run.run_id)
  }
  return html`<div class="acts">${ask(action, access.csrf)}</div>`
}
