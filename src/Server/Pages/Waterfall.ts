import * as Duration from "../../Domain/Duration.ts"
import type { RunEvent } from "../../Domain/RunView.ts"
import { readingAt, showTime } from "../../Domain/Schedule/WallClock.ts"
import { empty, type Html, html } from "./Html.ts"
import { clockOf, showDay } from "./TimeFormat.ts"
import { outcomeOf, reasonIn, toneOf } from "./Timeline.ts"

/** An attempt of a run. `from` and `to` are epoch milliseconds. */
export interface Attempt {
  readonly number: number
  readonly from: number
  readonly to: number | null
  /** The event that ended the attempt; null while the attempt is in progress. */
  readonly end: RunEvent | null
}

export const attemptsOf = (events: ReadonlyArray<RunEvent>): ReadonlyArray<Attempt> => {
  const attempts: Array<Attempt> = []
  for (const event of events) {
    const open = attempts.at(-1)
    if (event.kind === "started") {
      const number = event.attempt ?? attempts.length + 1
      attempts.push({ number, from: event.at, to: null, end: null })
    } else if (open?.end === null && event.to_status !== null && event.to_status !== "running") {
      attempts[attempts.length - 1] = { ...open, to: event.at, end: event }
    }
  }
  return attempts
}

const WIDTH = 1_000
/** The minimum width of a bar: two pixels on a 500-pixel axis. */
const THINNEST = 4
const TICKS = 4
const MINUTE = 60_000
const SHORT = 20_000
const DAY = 86_400_000

/** Draws the attempts of a run. Draws nothing for a run that completed on the first attempt. */
export const waterfall = (
  events: ReadonlyArray<RunEvent>,
  run: {
    readonly scheduled_for: number
    readonly not_before: number | null
    readonly status: string
  },
  timezone: string,
  now: number
): Html => {
  const attempts = attemptsOf(events)
  const first = attempts[0]
  if (first === undefined) return empty
  if (attempts.length === 1 && run.status === "completed") return empty
  const next = run.status === "pending" && run.not_before !== null ? run.not_before : 0
  const end = Math.max(next, ...attempts.map(({ from, to }) => to ?? Math.max(from, now)))
  // If the slot was long before the first attempt, the axis begins at the attempt.
  const isNear = first.from - run.scheduled_for <= Math.max(MINUTE, 3 * (end - first.from))
  const start = isNear ? Math.min(run.scheduled_for, first.from) : first.from
  const span = Math.max(1, end - start)
  const place = (at: number): number => Math.round(((at - start) / span) * WIDTH)
  const rows = attempts.map((attempt, index) => {
    const since = attempts[index - 1]?.to ?? start
    return row(attempt, place(since), place(attempt.from), place(attempt.to ?? now), now)
  })
  const waits =
    next > now
      ? html`<li><b>Next</b><svg viewBox="0 0 ${WIDTH} 16" preserveAspectRatio="none" aria-hidden="true"><path class="wait" d="M${place(attempts.at(-1)?.to ?? now)} 8H${place(next)}"/></svg><span class="soft">retries in ${Duration.rough(next - now)}</span></li>`
      : empty
  return html`<ol class="waterfall">${rows}${waits}<li class="axis" aria-hidden="true"><b></b><span class="ticks">${labels(start, span, timezone)}</span><span></span></li></ol>`
}

const row = (attempt: Attempt, since: number, from: number, to: number, now: number): Html => {
  const { end, number } = attempt
  const took = Duration.format((attempt.to ?? now) - attempt.from)
  const reason = end === null || end.to_status === "completed" ? "" : reasonIn(end)
  const words = [end === null ? "in progress" : outcomeOf(end), reason].filter(
    (part) => part !== ""
  )
  const tone = end === null ? "running" : toneOf(end)
  const width = Math.max(THINNEST, to - from)
  const left = Math.min(from, WIDTH - width)
  return html`<li><b>Attempt ${number}</b><svg viewBox="0 0 ${WIDTH} 16" preserveAspectRatio="none" aria-hidden="true">${from > since && html`<path class="wait" d="M${since} 8H${from}"/>`}<path class="bar ${tone}" d="M${left} 2h${width}v12h-${width}z"/></svg><span>${took}<span class="soft">, <bdi>${words.join(": ")}</bdi></span></span></li>`
}

/** Renders a label at the start of each quarter of the axis. A short axis shows the time since its start. */
const labels = (start: number, span: number, timezone: string): ReadonlyArray<Html> => {
  const clock = clockOf(timezone)
  const grain = span < 20 * MINUTE ? 1_000 : MINUTE
  return Array.from({ length: TICKS }, (_, index) => {
    if (span < SHORT && index > 0) {
      return html`<span>+${Duration.format(Math.round((span * index) / TICKS))}</span>`
    }
    const reading = readingAt(clock, start + (span * index) / TICKS)
    const time = showTime(Math.floor(reading / grain) * grain)
    return html`<span>${span > DAY && `${showDay(reading, reading)} `}${time}</span>`
  })
}
