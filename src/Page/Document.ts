import { readingAt, showTime } from "../Domain/WallClock.ts"
import { type Asset, behaviour, icons, stylesheet } from "./Assets.ts"
import { type Html, html } from "./Html.ts"
import { clockOf, zoneName } from "./Moment.ts"
import { shape, sprite } from "./StateMark.ts"

/** What every page is told besides its own matter. */
export interface Frame {
  /** When the page was made, epoch milliseconds, by the clock that all of its times go by. */
  readonly now: number
  /** The zone of times that belong to no integration. */
  readonly timezone: string
  /** How often an open page fetches itself again, in seconds; 0: never. */
  readonly refreshSeconds: number
  readonly version: string
  /** The path of the page, to come back to after signing in. */
  readonly path: string
  /** What was searched for. */
  readonly query: string
  /** Nobody, because actions are off; somebody who may sign in; or somebody who did, with the token that forms carry. */
  readonly access: Access
  /** What was just done, in words; null: nothing was. */
  readonly notice: string | null
}

/** Whether this reader may act. `SignedIn` holds what each form must send along, so that no other site can send it. */
export type Access =
  | { readonly _tag: "ReadOnly" }
  | { readonly _tag: "SignedOut" }
  | { readonly _tag: "SignedIn"; readonly actor: string; readonly csrf: string }

export interface Content {
  readonly title: string
  readonly tone: keyof typeof icons
  /** Nothing ticks: what the page shows is how things were. */
  readonly isStopped: boolean
  readonly main: Html
}

const assetsKey = [stylesheet, behaviour].map(({ path }: Asset) => path).join(" ")

/** A whole page, as the text of its document. Everything that moves while it is open stands in `main`. */
export const page = (frame: Frame, { isStopped, main, title, tone }: Content): string => {
  const clock = clockOf(frame.timezone)
  const seconds = Math.floor(frame.now / 1000) * 1000
  const time = showTime(readingAt(clock, seconds))
  const stamp = `${time.length === 5 ? `${time}:00` : time} ${zoneName(clock, frame.now)}`
  return `<!doctype html>\n${
    html`<html lang="en" data-now="${frame.now}" data-refresh="${frame.refreshSeconds}" data-assets="${assetsKey}"${isStopped && html` class="old"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="referrer" content="same-origin">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="${icons[tone].path}">
<link rel="stylesheet" href="${stylesheet.path}">
<script src="${behaviour.path}" defer></script>
${frame.refreshSeconds > 0 && html`<noscript><meta http-equiv="refresh" content="${Math.max(30, frame.refreshSeconds)}"></noscript>`}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
${sprite}
<header class="top"><div>
<a class="brand" href="/"><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8"/><path d="M16 8v8.5l5.5 4"/></svg><span>Sync Scheduler</span></a>
<form class="search" role="search" action="/"><label class="sr" for="q">Search by organisation, integration or id</label>${shape("find")}<input id="q" name="q" type="search" maxlength="200" autocomplete="off" spellcheck="false" placeholder="Organisation, integration or id" value="${frame.query}"></form>
<div class="fresh"><span><span id="fresh">As of</span> <span id="stamp">${stamp}</span></span><button id="pause" type="button" aria-pressed="false" hidden>Pause</button>${session(frame)}</div>
</div><div id="alarm" class="alarm" role="alert" hidden><p></p></div></header>
<main id="main" tabindex="-1">${frame.notice !== null && html`<p class="notice" role="status">${frame.notice}</p>`}
${main}
</main>
<footer class="foot"><span>Sync Scheduler ${frame.version}</span><span>Made ${stamp}</span><a href="/api/status">JSON</a><a href="/metrics">Metrics</a></footer>
</body>
</html>
`.markup
  }`
}

const session = ({ access, path }: Frame): Html | null => {
  if (access._tag === "ReadOnly") return null
  if (access._tag === "SignedOut")
    return html`<a class="button" href="/sign-in?next=${encodeURIComponent(path)}">Sign in</a>`
  return html`<form class="out" method="post" action="/sign-out"><input type="hidden" name="csrf" value="${access.csrf}"><button title="Signed in as ${access.actor}">Sign out</button></form>`
}
