import { empty, type Html, html } from "./Html.ts"

export type MarkKind =
  | "done"
  | "failed"
  | "unknown"
  | "running"
  | "retrying"
  | "missed"
  | "overdue"
  | "unseen"

/** A slot, from its due time to the end of its run, in epoch milliseconds. `to` is null while the run is in progress. */
export interface Mark {
  readonly kind: MarkKind
  readonly from: number
  readonly to: number | null
}

/** The period shown and the current time, in epoch milliseconds. */
export interface Axis {
  readonly from: number
  readonly to: number
  readonly now: number
}

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The minimum width of a mark, in minutes: about 1.5 pixels on a 500-pixel strip. */
const THINNEST = 5
const HEIGHT = 20

/** The y positions for each kind of mark, in drawing order. Kinds differ in position as well as in colour. */
const LINES: ReadonlyArray<readonly [kind: MarkKind, word: string, ys: ReadonlyArray<number>]> = [
  ["unseen", "period not shown", [10]],
  ["done", "completed", [10]],
  ["running", "running", [10]],
  ["retrying", "retrying", [10]],
  ["missed", "skipped", [18]],
  ["overdue", "overdue", [10]],
  ["unknown", "unknown", [3, 17]],
  ["failed", "failed", [10]]
]

/** Returns the 24 hours that end with the current hour. */
export const lastDay = (now: number): Axis => {
  const to = Math.floor(now / HOUR) * HOUR + HOUR
  return { from: to - DAY, to, now }
}

/** If a list's strip contains more completed runs than this, bars that are close together are merged to keep the page small. */
const MANY_BARS = 48
const CLOSE_MINUTES = 10

/** Returns the SVG path for bars. Merges bars that are at most `gap` apart. */
const pathOf = (
  bars: ReadonlyArray<readonly [x: number, end: number]>,
  y: number,
  gap: number
): string => {
  let path = ""
  let [start, end] = [Number.NaN, Number.NaN]
  let drawn = Number.NaN
  const draw = (): void => {
    if (Number.isNaN(start)) return
    path += Number.isNaN(drawn) ? `M${start} ${y}` : `m${start - drawn} 0`
    path += `h${end - start}`
    drawn = end
  }
  for (const [from, to] of bars) {
    if (from <= end + gap) {
      end = Math.max(end, to)
      continue
    }
    draw()
    ;[start, end] = [from, to]
  }
  draw()
  return path
}

/** Draws marks as a full-width strip. Each kind of mark is a single path, which keeps the markup small for thousands of marks. */
export const dayStrip = (axis: Axis, marks: ReadonlyArray<Mark>, isInList = false): Html => {
  const width = Math.round((axis.to - axis.from) / MINUTE)
  const place = (at: number): number => Math.round((at - axis.from) / MINUTE)
  const seen = marks.filter(({ from, to }) => from < axis.to && (to ?? axis.now) >= axis.from)
  const paths: Array<Html> = []
  const words: Array<string> = []
  for (const [kind, word, ys] of LINES) {
    const bars = seen
      .filter((mark) => mark.kind === kind)
      .map(({ from, to }) => {
        const start = Math.min(Math.max(0, place(from)), width - THINNEST)
        return [start, Math.min(width, Math.max(start + THINNEST, place(to ?? axis.now)))] as const
      })
      .toSorted(([a], [b]) => a - b)
    if (bars.length === 0) continue
    words.push(`${bars.length} ${word}`)
    const gap = isInList && kind === "done" && bars.length > MANY_BARS ? CLOSE_MINUTES : 0
    paths.push(html`<path class="${kind}" d="${ys.map((y) => pathOf(bars, y, gap)).join("")}"/>`)
  }
  const said = words.length === 0 ? "no runs" : words.join(", ")
  return html`<svg class="strip" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Last 24 hours: ${said}">${nowLine(axis, place)}${paths}</svg>`
}

const nowLine = ({ from, now, to }: Axis, place: (at: number) => number): Html =>
  now < from || now >= to ? empty : html`<path class="now" d="M${place(now)} 0v${HEIGHT}"/>`
