import { empty, type Html, html } from "./Html.ts"

/** What became of a slot, as a strip draws it. */
export type MarkKind = "done" | "failed" | "unknown" | "running" | "missed" | "overdue" | "unseen"

/** One slot on the time axis, epoch milliseconds: from when it was due until it was over; null while it goes on. */
export interface Mark {
  readonly kind: MarkKind
  readonly from: number
  readonly to: number | null
}

/** A stretch of the time axis, epoch milliseconds, and where now is on it. */
export interface Axis {
  readonly from: number
  readonly to: number
  readonly now: number
}

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** A mark is never thinner than this, in minutes: about a pixel and a half where a strip is 500 pixels wide. */
const THINNEST = 5
const HEIGHT = 20

/** Every kind has a height and a place of its own, besides its colour: the y of each line, in the order of drawing. */
const LINES: ReadonlyArray<readonly [kind: MarkKind, word: string, ys: ReadonlyArray<number>]> = [
  ["unseen", "stretch not shown", [10]],
  ["done", "completed", [10]],
  ["running", "running", [10]],
  ["missed", "passed over", [18]],
  ["overdue", "overdue", [10]],
  ["unknown", "unknown", [3, 17]],
  ["failed", "failed", [10]]
]

/** The 24 hours that end with the present hour. */
export const lastDay = (now: number): Axis => {
  const to = Math.floor(now / HOUR) * HOUR + HOUR
  return { from: to - DAY, to, now }
}

/** Bars of one kind as `M x y h w` and then relative steps; bars that touch become one. */
const pathOf = (bars: ReadonlyArray<readonly [x: number, end: number]>, y: number): string => {
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
    if (from <= end) {
      end = Math.max(end, to)
      continue
    }
    draw()
    ;[start, end] = [from, to]
  }
  draw()
  return path
}

/**
 * What happened on an axis, as a strip as wide as its place: one path for each kind, so that a thousand of them stay small.
 * Marks outside the axis are left out, and marks that reach over its ends are cut.
 */
export const dayStrip = (axis: Axis, marks: ReadonlyArray<Mark>): Html => {
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
    paths.push(html`<path class="${kind}" d="${ys.map((y) => pathOf(bars, y)).join("")}"/>`)
  }
  const said = words.length === 0 ? "no runs" : words.join(", ")
  return html`<svg class="strip" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Last 24 hours: ${said}">${nowLine(axis, place)}${paths}</svg>`
}

const nowLine = ({ from, now, to }: Axis, place: (at: number) => number): Html =>
  now < from || now >= to ? empty : html`<path class="now" d="M${place(now)} 0v${HEIGHT}"/>`
