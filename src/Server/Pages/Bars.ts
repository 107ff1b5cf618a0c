import { empty, type Html, html } from "./Html.ts"

export interface Bar {
  readonly value: number
  readonly label: string
}

const HEIGHT = 40

/**
 * Draws a bar chart, and highlights the highest bar unless there is a tie. `name` and `peak` describe the chart for screen
 * readers.
 */
export const bars = (name: string, values: ReadonlyArray<Bar>, peak: string): Html => {
  const highest = Math.max(0, ...values.map(({ value }) => value))
  if (values.length === 0 || highest === 0) return empty
  const isPeak = ({ value }: Bar): boolean => value === highest
  const top = values.filter(isPeak).length === 1 ? values.findIndex(isPeak) : -1
  const shape = ({ value }: Bar, index: number): string => {
    const height = value === 0 ? 0 : Math.max(2, Math.round((value / highest) * HEIGHT))
    return height === 0 ? "" : `M${index * 10 + 1} ${HEIGHT}v-${height}h8v${height}z`
  }
  const path = values.map((bar, index) => (index === top ? "" : shape(bar, index))).join("")
  const first = values[top]
  return html`<svg class="bars" viewBox="0 0 ${values.length * 10} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${name}. ${peak}">
<path d="${path}"/><path class="peak" d="${first === undefined ? "" : shape(first, top)}"/>${values.map(({ label }, index) => html`<path class="hit" d="M${index * 10} 0h10v${HEIGHT}h-10z"><title>${label}</title></path>`)}</svg>`
}
