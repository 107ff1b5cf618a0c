import { type Html, html } from "./Html.ts"

/** The worst outcome of a day; `none` for a day without outcomes. */
export type DayKind = "failed" | "unknown" | "missed" | "ok" | "none"

export interface Day {
  readonly date: string
  readonly kind: DayKind
  /** The tooltip, such as `212 completed, 3 failed`. */
  readonly words: string
}

const CELL = 14
const TOP = 12
const LEFT = 26
/** The number of pixels per unit of the drawing. */
const SCALE = 1.25
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")

/** Each kind has its own shape, so that the calendar is readable without colours. */
const drawn = (kind: DayKind, x: number, y: number): string => {
  if (kind === "none") return `M${x + 5} ${y + 5}h3v3h-3z`
  if (kind === "missed") return `M${x + 1} ${y + 1}h10v10h-10z`
  if (kind === "unknown") return `M${x + 6} ${y - 1}l7 7-7 7-7-7z`
  if (kind === "failed")
    return `M${x} ${y}h12v12h-12zm3 2-1 1 3 3-3 3 1 1 3-3 3 3 1-1-3-3 3-3-1-1-3 3z`
  return `M${x} ${y}h12v12h-12z`
}

const weekday = (date: string): number =>
  (Math.floor(Date.parse(`${date}T00:00Z`) / 86_400_000) + 3) % 7

/** Draws a calendar with one column per week, Monday first. Days with faults link to `href(day)`. */
export const heatMap = (days: ReadonlyArray<Day>, href?: (day: string) => string): Html => {
  const first = days[0]
  const offset = first === undefined ? 0 : weekday(first.date)
  const weeks = Math.ceil((days.length + offset) / 7)
  const cells = days.map((day, index) => {
    const [column, row] = [Math.floor((index + offset) / 7), (index + offset) % 7]
    const path = drawn(day.kind, LEFT + column * CELL, TOP + row * CELL + 2)
    const drawing = html`<path class="${day.kind}" d="${path}"><title>${day.date}: ${day.words}</title></path>`
    return href === undefined || day.kind === "none" || day.kind === "ok"
      ? drawing
      : html`<a href="${href(day.date)}" aria-label="${day.date}: ${day.words}">${drawing}</a>`
  })
  const months = days.flatMap(({ date }, index) =>
    date.endsWith("-01") || (index === 0 && Number(date.slice(8)) < 24)
      ? [
          html`<text x="${LEFT + Math.floor((index + offset) / 7) * CELL}" y="8">${MONTHS[Number(date.slice(5, 7)) - 1]}</text>`
        ]
      : []
  )
  const names = ["Mon", "Wed", "Fri"].map(
    (name, index) => html`<text x="0" y="${TOP + index * 2 * CELL + 12}">${name}</text>`
  )
  const [width, height] = [LEFT + weeks * CELL, TOP + 7 * CELL + 2]
  return html`<svg class="heat" viewBox="0 0 ${width} ${height}" width="${Math.round(width * SCALE)}" role="${href === undefined ? "img" : "group"}" aria-label="${said(days)}">${months}${names}${cells}</svg>`
}

/** Returns the calendar's description for screen readers. */
const said = (days: ReadonlyArray<Day>): string => {
  const bad = days.filter(({ kind }) => kind !== "ok" && kind !== "none")
  if (bad.length === 0) return `${days.length} days, none with a fault`
  const listed = bad.slice(-10).map(({ date, words }) => `${date}: ${words}`)
  const more = bad.length > listed.length ? `, the latest: ` : ": "
  return `${days.length} days, ${bad.length} with faults${more}${listed.join("; ")}`
}
