import * as Duration from "../../Domain/Duration.ts"
import { attemptOf } from "../../Domain/RunView.ts"
import type { ExplainedSlot, SlotOutcome } from "../../Operator/SlotTimeline.ts"
import { capital, countOf, runPath } from "./DisplayNames.ts"
import { clip, type Html, html } from "./Html.ts"
import { mark } from "./StateMark.ts"
import { moment } from "./TimeFormat.ts"

const MOST = 24

/** Maps some outcomes to the state whose symbol and colour they share. */
const SHAPES: Partial<Readonly<Record<SlotOutcome, string>>> = {
  skipped_range: "skipped",
  due: "late",
  missing: "overdue"
}

const WORDS: Partial<Readonly<Record<SlotOutcome, string>>> = {
  pending: "waiting",
  skipped_range: "skipped"
}

export interface SlotTableOptions {
  readonly timezone: string
  readonly now: number
  /** Whether older slots of the period were left out. */
  readonly isTruncated: boolean
}

export const slotTable = (
  slots: ReadonlyArray<ExplainedSlot>,
  { isTruncated, now, timezone }: SlotTableOptions
): Html => {
  if (slots.length === 0) return html`<p class="nothing">No slots in this period.</p>`
  const groups = grouped(slots)
  const shown = groups.slice(-MOST).toReversed()
  const more = groups.slice(0, -MOST).reduce((sum, group) => sum + group.length, 0)
  return html`<table class="slots"><caption class="sr">Slots, newest first</caption><thead><tr><th scope="col">Due</th><th scope="col">Outcome</th><th scope="col" class="num wide">Late by</th><th scope="col" class="num wide">Took</th><th scope="col" class="num wide">Attempt</th><th scope="col">Why</th></tr></thead><tbody>${shown.map((group) => slotRow(group, timezone, now))}</tbody></table>${(more > 0 || isTruncated) && html`<p class="nothing">${more > 0 ? `${countOf(more, "older slot")} not shown here` : "Older slots are not shown here"}. Choose a single day to see them.</p>`}`
}

/** Consecutive slots with the same outcome, newest first. */
type Group = readonly [ExplainedSlot, ...ReadonlyArray<ExplainedSlot>]

/** Groups consecutive slots that have no run and share a reason. `slots` is sorted oldest first. */
const grouped = (slots: ReadonlyArray<ExplainedSlot>): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const slot of slots) {
    const [last] = groups.at(-1) ?? []
    const isSame =
      last?.run === null &&
      slot.run === null &&
      last.outcome === slot.outcome &&
      last.why === slot.why
    const group: Group = isSame ? [slot, ...(groups.pop() ?? [])] : [slot]
    groups.push(group)
  }
  return groups
}

const slotRow = (group: Group, timezone: string, now: number): Html => {
  const [{ expected, outcome, run, slot, why }] = group
  const first = group.at(-1)?.slot ?? slot
  const many =
    group.length > 1 &&
    html`<span class="sub">and ${countOf(group.length - 1, "earlier slot")} from ${moment(first, timezone, now)}</span>`
  const span = (ms: number | null | undefined): string =>
    ms === null || ms === undefined ? "–" : Duration.format(ms)
  const due = moment(slot, timezone, now)
  const shown = mark(SHAPES[outcome] ?? outcome, capital(WORDS[outcome] ?? outcome))
  const outside = expected || run === null ? "" : run.trigger
  return html`<tr><th scope="row">${run === null ? due : html`<a href="${runPath(run.run_id)}">${due}</a>`}${outside !== "" && html`<span class="sub">${outside.replaceAll("_", " ")}</span>`}${many}</th><td>${shown}</td><td class="num wide">${span(run?.drift_ms)}</td><td class="num wide">${span(run?.duration_ms)}</td><td class="num wide">${run === null ? "–" : attemptOf(run)}</td><td class="soft">${clip(why, 400)}</td></tr>`
}
