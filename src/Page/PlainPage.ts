import { type Frame, page } from "./Document.ts"
import { clip, html } from "./Html.ts"
import { counted, orgName, orgPath } from "./Naming.ts"

/** The most organisations to choose from on one page. */
const MAX_CHOICES = 100

/** A page that stays as it is. */
const still = (frame: Frame): Frame => ({ ...frame, refreshSeconds: 0 })

/** What went wrong with a request: what and why, and how to go on. */
export interface Fault {
  readonly title: string
  readonly message: string
  readonly hint: string
  /** It may be over in a moment: the page tries again by itself. */
  readonly isPassing: boolean
}

/** A page that says why there is nothing else to see. Its tab looks as bad as it is. */
export const faultPage = (frame: Frame, { hint, isPassing, message, title }: Fault): string =>
  page(isPassing ? frame : still(frame), {
    title: `${title} · Sync Scheduler`,
    tone: "bad",
    isStopped: true,
    main: html`<section class="pulse"><h1>${title}</h1><p class="dead">${message}</p><p>${hint}</p><p class="text"><a href="/">To the overview</a></p></section>`
  })

/** Several organisations that somebody may mean. */
export const choicePage = (
  frame: Frame,
  wanted: string,
  orgs: ReadonlyArray<{ readonly org_id: string; readonly org_name: string | null }>
): string =>
  page(still(frame), {
    title: "Which organisation? · Sync Scheduler",
    tone: "idle",
    isStopped: false,
    main: html`<section class="pulse"><h1>Which organisation?</h1><p>${counted(orgs.length, "organisation")} may be meant by “<bdi>${clip(wanted, 80)}</bdi>”.</p></section><ul class="sheet choices">${orgs.slice(0, MAX_CHOICES).map((org) => html`<li><a href="${orgPath(org.org_id)}">${orgName(org)}</a> <span class="soft code">${org.org_id}</span></li>`)}</ul>`
  })

/** The form for the admin token and the name that is recorded with what is done. `next`: a path of ours to go on to. */
export const signInPage = (frame: Frame, next: string, refused: string | null): string =>
  page(still(frame), {
    title: "Sign in · Sync Scheduler",
    tone: "idle",
    isStopped: false,
    main: html`<section class="sheet narrow"><h1>Sign in</h1><p class="soft">With the admin token that the scheduler was started with. Your name is recorded with what you do.</p>${refused !== null && html`<p class="notice bad" role="alert">${refused}</p>`}
<form method="post" action="/sign-in?next=${encodeURIComponent(next)}"><label for="name">Your name</label><input id="name" name="name" required maxlength="80" autocomplete="username"><label for="token">Admin token</label><input id="token" name="token" type="password" required autocomplete="current-password"><input type="hidden" name="next" value="${next}"><button class="main">Sign in</button></form></section>`
  })
