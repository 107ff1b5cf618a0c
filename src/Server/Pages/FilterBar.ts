import { APPEARANCE, StateName } from "../../Domain/State.ts"
import type { Overview } from "../../Operator/Overview.ts"
import { capital } from "./DisplayNames.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { filterPath, type ListFilter } from "./ListFilter.ts"
import { shape } from "./StateMark.ts"

/** The maximum number of types to offer as filters. */
const MOST_TYPES = 12

/**
 * Renders the filters by state and, if there are several types, by type. A link that changes one filter preserves the other
 * filter.
 */
export const filterBar = (overview: Overview, filter: ListFilter): Html =>
  html`<div class="filters" id="filters">${states(overview, filter)}${types(overview, filter)}</div>`

const states = ({ counts }: Overview, filter: ListFilter): Html =>
  html`<nav aria-label="By state"><ul class="counts">${StateName.literals
    .filter((name) => counts[name] > 0 || name === filter.state || name === "on_time")
    .map((name) => {
      const isChosen = name === filter.state
      const href = filterPath(filter, { state: isChosen ? null : name, cause: null })
      return html`<li><a class="${counts[name] === 0 ? "none" : name}" href="${href}"${isChosen && html` aria-current="true"`}>${shape(name)}<b>${counts[name].toLocaleString("en-US")}</b><span>${capital(APPEARANCE[name].word)}</span></a></li>`
    })}</ul></nav>`

const types = ({ integrations }: Overview, filter: ListFilter): Html => {
  const counts = new Map<string, number>()
  for (const { integration_type: type } of integrations) {
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  if (counts.size < 2) return empty
  const sorted = [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
  const shown = sorted.filter(([type], index) => index < MOST_TYPES || type === filter.type)
  const rest = sorted.length - shown.length
  return html`<nav aria-label="By provider"><ul class="types">${shown.map(([type, count]) => {
    const isChosen = type === filter.type
    const href = filterPath(filter, { type: isChosen ? null : type, cause: null })
    return html`<li><a href="${href}"${isChosen && html` aria-current="true"`}><bdi>${clip(type, 40)}</bdi> <span>${count.toLocaleString("en-US")}</span></a></li>`
  })}${rest > 0 && html`<li class="soft">and ${rest} more</li>`}</ul></nav>`
}
