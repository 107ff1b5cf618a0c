import { readingAt, showTime } from "../../Domain/Schedule/WallClock.ts"
import { type Asset, behaviour, icons, stylesheet } from "./Assets.ts"
import { type Html, html } from "./Html.ts"
import { shape, sprite } from "./StateMark.ts"
import { clockOf, zoneName } from "./TimeFormat.ts"

export interface PageFrame {
  /** When the page was generated, in epoch milliseconds. */
  readonly now: number
  /** The time zone for times that belong to no integration. */
  readonly timezone: string
  /** How often an open page reloads, in seconds; 0 for never. */
  readonly refreshSeconds: number
  readonly version: string
  /** The page to which sign-in returns. */
  readonly path: string
  /** The search text. */
  readonly query: string
  /** The rest of the filter, which a new search preserves. */
  readonly kept: ReadonlyArray<readonly [name: string, value: string]>
  /** Why the page is outdated; null if it is current. */
  readonly outdated: string | null
  readonly access: PageAccess
  /** Whether function responses are shown. If not, the page offers sign-in or a command. */
  readonly answers: "shown" | "sign-in" | "command"
  /** Makes the commands in a message ready to paste. */
  readonly pasteable: (text: string) => string
  /** A notice about the action just performed. */
  readonly notice: string | null
}

/** What the user of a page can do. `csrf` is a token that each form sends. */
export type PageAccess =
  | { readonly _tag: "ReadOnly" }
  | { readonly _tag: "SignedOut" }
  | { readonly _tag: "SignedIn"; readonly actor: string; readonly csrf: string }

export interface PageContent {
  readonly title: string
  readonly tone: keyof typeof icons
  /** Whether ticks have stopped, so that the data is stale. */
  readonly isStopped: boolean
  readonly main: Html
}

const assetsKey = [stylesheet, behaviour].map(({ path }: Asset) => path).join(" ")

/** Renders a page. `main` contains everything that changes while the page is open. */
export const page = (frame: PageFrame, { isStopped, main, title, tone }: PageContent): string => {
  const clock = clockOf(frame.timezone)
  const seconds = Math.floor(frame.now / 1000) * 1000
  const time = showTime(readingAt(clock, seconds))
  const stamp = `${time.length === 5 ? `${time}:00` : time} ${zoneName(clock, frame.now)}`
  return `<!doctype html>\n${
    html`<html lang="en" data-now="${frame.now}" data-zone="${frame.timezone}" data-refresh="${frame.refreshSeconds}" data-assets="${assetsKey}"${(isStopped || frame.outdated !== null) && html` class="${frame.outdated === null ? "old" : "stale"}"`}>
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
<form class="search" role="search" action="/"><label class="sr" for="q">Search by organisation, integration or id</label>${shape("find")}<input id="q" name="q" type="search" maxlength="200" autocomplete="off" spellcheck="false" placeholder="Organisation, integration or id" value="${frame.query}">${frame.kept.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}</form>
<div class="fresh"><span><span id="fresh">As of</span> <span id="stamp">${stamp}</span></span><button id="pause" type="button" aria-pressed="false" title="Stops updating this page. Syncs continue." hidden>Stop updates</button>${session(frame)}</div>
</div><div id="alarm" class="alarm" role="alert"${frame.outdated === null && html` hidden`}><p>${frame.outdated}</p></div></header>
<main id="main" tabindex="-1">${frame.notice !== null && html`<p class="notice" role="status">${frame.notice}</p>`}
${main}
</main>
<footer class="foot" id="foot"><span>Sync Scheduler ${frame.version}</span><span>Generated ${stamp}</span><a href="/api/status">JSON</a><a href="/metrics">Metrics</a></footer>
</body>
</html>
`.markup
  }`
}

const session = ({ access, path }: PageFrame): Html | null => {
  if (access._tag === "ReadOnly") return null
  if (access._tag === "SignedOut")
    return html`<a class="button" href="/sign-in?next=${encodeURIComponent(path)}">Sign in</a>`
  return html`<form class="out" method="post" action="/sign-out"><input type="hidden" name="csrf" value="${access.csrf}"><button title="Signed in as ${access.actor}">Sign out</button></form>`
}
