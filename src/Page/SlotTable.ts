import * as Duration from "../Domain/Duration.ts"
import type { ExplainedSlot, SlotOutcome } from "../Operator/SlotStory.ts"
import { clip, type Html, html } from "./Html.ts"
import { moment } from "./Moment.ts"
import { capital, counted, runPath } from "./Naming.ts"
import { mark } from "./StateMark.ts"

/** The most slots that a page shows of one integration. */
const MOST = 24

/** Whose shape and colour an outcome has, where it is no status of a run. */
const SHAPES: Partial<Readonly<Record<SlotOutcome, string>>> = {
  passed_over: "skipped",
  due: "late",
  missing: "overdue"
}

const WORDS: Partial<Readonly<Record<SlotOutcome, string>>> = {
  pending: "waiting",
  passed_over: "passed over"
}

export interface SlotTableOptions {
  readonly timezone: string
  readonly now: number
  /** There were older ones, which nobody explained. */
  readonly isTruncated: boolean
}

/** Slots and what became of them, the newest first. */
export const slotTable = (
  slots: ReadonlyArray<ExplainedSlot>,
  { isTruncated, now, timezone }: SlotTableOptions
): Html => {
  if (slots.length === 0) return html`<p class="nothing">No slot in this time.</p>`
  const shown = slots.slice(-MOST).toReversed()
  const more = slots.length - shown.length
  return html`<table class="slots"><caption class="sr">Slots, the newest first</caption><thead><tr><th scope="col">Due</th><th scope="col">Outcome</th><th scope="col" class="num wide">Late by</th><th scope="col" class="num wide">Took</th><th scope="col" class="num wide">Try</th><th scope="col">Why</th></tr></thead><tbody>${shown.map((slot) => slotRow(slot, timezone, now))}</tbody></table>${(more > 0 || isTruncated) && html`<p class="nothing">${more > 0 ? `${counted(more, "older slot")} not shown here` : "Older slots are not shown here"}: ask about a single day.</p>`}`
}

const slotRow = (
  { expected, outcome, run, slot, why }: ExplainedSlot,
  timezone: string,
  now: number
): Html => {
  const span = (ms: number | null | undefined): string =>
    ms === null || ms === undefined ? "–" : Duration.format(ms)
  const due = moment(slot, timezone, now)
  const shown = mark(SHAPES[outcome] ?? outcome, capital(WORDS[outcome] ?? outcome))
  const outside = expected || run === null ? "" : run.trigger
  return html`<tr><th scope="row">${run === null ? due : html`<a href="${runPath(run.run_id)}">${due}</a>`}${outside !== "" && html`<span class="sub">${outside.replaceAll("_", " ")}</span>`}</th><td>${shown}</td><td class="num wide">${span(run?.drift_ms)}</td><td class="num wide">${span(run?.duration_ms)}</td><td class="num wide">${run === null ? "–" : `${run.attempt} of ${run.max_attempts}`}</td><td class="soft">${clip(why, 400)}</td></tr>`
}
