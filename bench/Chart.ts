import { type Row, scoreOf } from "./Report.ts"
import { contenders, idealMs } from "./Scenarios.ts"

const WIDTH = 760
const LABEL = 220
const BAR = 18
const GAP = 6

/** One panel of bars per scenario: over ideal, shorter is better; jobs per second, longer is better. Ours stand out. */
export const chartOf = (rows: ReadonlyArray<Row>): string => {
  const names = [...new Set(rows.map(({ scenario }) => scenario.name))]
  let y = 16
  const parts: Array<string> = []
  for (const name of names) {
    const own = rows.filter(({ scenario }) => scenario.name === name)
    const [first] = own
    if (first === undefined) continue
    const unit = idealMs(first.scenario) > 0 ? "wall / ideal, less is better" : "jobs per second"
    parts.push(text(0, y + 12, `${first.scenario.title}: ${unit}`, "bold"))
    y += 24
    const most = Math.max(...own.map((row) => scoreOf(row).value))
    for (const row of own) {
      const { shown, value } = scoreOf(row)
      const length = Math.max(1, ((WIDTH - LABEL - 120) * value) / most)
      const colour = row.contender.startsWith("ours") ? "#0b7285" : "#adb5bd"
      parts.push(
        text(LABEL - 8, y + 13, contenders[row.contender] ?? row.contender, "normal", "end"),
        `<rect x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
        text(LABEL + length + 6, y + 13, shown)
      )
      y += BAR + GAP
    }
    y += 18
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12" fill="#212529">
<title>Sync Scheduler and others doing the same work</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join("\n")}
</svg>
`
}

const text = (x: number, y: number, words: string, weight = "normal", anchor = "start"): string =>
  `<text x="${x.toFixed(1)}" y="${y}" font-weight="${weight}" text-anchor="${anchor}">${words}</text>`
