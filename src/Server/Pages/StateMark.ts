import { type Html, html } from "./Html.ts"

/** The symbols, drawn on a 16-by-16 grid in the colour of the surrounding text. */
const SHAPES: Readonly<Record<string, Html>> = {
  overdue: html`<path d="M8 1 15.5 14.5H.5z"/><path class="cut" d="M8 6v4M8 12v.6"/>`,
  failing: html`<circle cx="8" cy="8" r="7"/><path class="cut" d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2"/>`,
  unknown: html`<path class="line" d="M8 1.2 14.8 8 8 14.8 1.2 8z"/><path class="line" d="M6.4 6.6c0-2.2 3.3-2 3.2-.1C9.5 7.6 8 7.7 8 9M8 11v.3"/>`,
  running: html`<circle class="line" cx="8" cy="8" r="6.2"/><path d="M8 4v4l3 2.5A4 4 0 1 1 8 4z"/>`,
  late: html`<circle class="line" cx="8" cy="8" r="6.2"/><path class="line" d="M8 4.5V8l2.5 1.6"/>`,
  on_time: html`<path class="line bold" d="m2.5 8.5 3.7 3.7L13.5 4"/>`,
  paused: html`<path d="M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z"/>`,
  invalid_schedule: html`<path class="line" d="M2 2h12v12H2zM5 11l6-6"/>`,
  never_ran: html`<circle class="line dash" cx="8" cy="8" r="6.2"/>`,
  stale: html`<path class="line" d="M1.5 9.5c2-4.5 4.5-4.5 6.5-1.5s4.5 3 6.5-1.5"/>`,
  retrying: html`<path class="line" d="M13.5 8a5.5 5.5 0 1 1-1.7-4M12.2 1v3.2H9"/>`,
  skipped: html`<path class="line" d="m3 3.5 4.5 4.5L3 12.5M9 3.5 13.5 8 9 12.5"/>`,
  find: html`<circle class="line" cx="7" cy="7" r="4.8"/><path class="line" d="m10.6 10.6 3.6 3.6"/>`
}

const SAME: Readonly<Record<string, string>> = {
  completed: "on_time",
  failed: "failing",
  pending: "retrying",
  healthy: "on_time",
  unhealthy: "failing",
  throttled: "late"
}

/** The definitions of all symbols. A page must contain the definitions before it uses a symbol. */
export const sprite: Html = html`<svg class="sprite" aria-hidden="true">${Object.entries(
  SHAPES
).map(([name, shape]) => html`<symbol id="s-${name}" viewBox="0 0 16 16">${shape}</symbol>`)}</svg>`

export const shape = (name: string): Html =>
  html`<svg class="i" aria-hidden="true"><use href="#s-${SAME[name] ?? (name in SHAPES ? name : "no_data")}"/></svg>`

export const mark = (name: string, word: string): Html =>
  html`<span class="state ${name}">${shape(name)}${word}</span>`
