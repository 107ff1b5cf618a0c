import { countOf, orgName, orgPath } from "./DisplayNames.ts"
import { type PageFrame, page } from "./Document.ts"
import { clip, html } from "./Html.ts"

const MAX_CHOICES = 100

const withoutReload = (frame: PageFrame): PageFrame => ({ ...frame, refreshSeconds: 0 })

export interface PageProblem {
  readonly title: string
  readonly message: string
  readonly hint: string
  /** Whether the fault can be temporary. If so, the page reloads. */
  readonly isPassing: boolean
}

export const faultPage = (
  frame: PageFrame,
  { hint, isPassing, message, title }: PageProblem
): string =>
  page(isPassing ? frame : withoutReload(frame), {
    title: `${title} · Sync Scheduler`,
    tone: "bad",
    isStopped: true,
    main: html`<section class="page-head"><h1>${title}</h1><p class="dead">${frame.pasteable(message)}</p><p>${frame.pasteable(hint)}</p><p class="text"><a href="/">Back to the overview</a></p></section>`
  })

export const choicePage = (
  frame: PageFrame,
  wanted: string,
  orgs: ReadonlyArray<{ readonly org_id: string; readonly org_name: string | null }>
): string =>
  page(withoutReload(frame), {
    title: "Which organisation? · Sync Scheduler",
    tone: "idle",
    isStopped: false,
    main: html`<section class="page-head"><h1>Which organisation?</h1><p>${countOf(orgs.length, "organisation")} match “<bdi>${clip(wanted, 80)}</bdi>”.</p></section><ul class="sheet choices">${orgs.slice(0, MAX_CHOICES).map((org) => html`<li><a href="${orgPath(org.org_id)}">${orgName(org)}</a> <span class="soft code">${org.org_id}</span></li>`)}</ul>`
  })

/** `next` is the path on this server to redirect to. */
export const signInPage = (frame: PageFrame, next: string, refused: string | null): string =>
  page(withoutReload(frame), {
    title: "Sign in · Sync Scheduler",
    tone: "idle",
    isStopped: false,
    main: html`<section class="sheet narrow"><h1>Sign in</h1><p class="soft">Use the admin token that the scheduler was started with. Your name is recorded with your actions.</p>${refused !== null && html`<p class="notice bad" role="alert">${refused}</p>`}
<form method="post" action="/sign-in?next=${encodeURIComponent(next)}"><label for="name">Your name</label><input id="name" name="name" required maxlength="80" autocomplete="username"><label for="token">Admin token</label><input id="token" name="token" type="password" required autocomplete="current-password"><input type="hidden" name="next" value="${next}"><button class="main">Sign in</button></form></section>`
  })
