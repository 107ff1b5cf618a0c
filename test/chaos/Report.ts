import type { ChaosReport } from "./Chaos.ts"

export const showReport = (report: ChaosReport): string => {
  const lines: ReadonlyArray<readonly [string, number | string]> = [
    ...Object.entries(report.kills),
    ["", ""],
    ["engines started", report.ticks],
    [
      "exit codes of engines not killed",
      Object.entries(report.exitCodes)
        .map(([code, n]) => `${code}: ${n}`)
        .join(", ")
    ],
    ["slots", report.slots],
    ["runs", report.rows],
    ["slots recorded as skipped", report.skippedSlots],
    ["invocations", report.invocations],
    ["runs with more than one attempt", report.repeatedRuns],
    ["effects", report.effects],
    ["repeated effects allowed by 'retry'", report.allowedRepeats],
    ["repeated effects with the fence", report.fencedRepeats],
    ["runs on hold decided by an operator", report.held],
    ["seconds", report.seconds],
    ["", ""],
    ["doubled", report.doubled],
    ["lost", report.lost],
    ["violations", report.violations.length]
  ]
  const table = lines.map(([name, value]) =>
    name === "" ? "" : `${name.padEnd(36)} ${String(value).padStart(8)}`
  )
  return [...table, ...report.violations.map((violation) => `! ${violation}`)].join("\n")
}

export const showCampaigns = (reports: Readonly<Record<string, ChaosReport>>): string =>
  [
    "| | Faults | Runs | Invocations | Effects | Runs repeated | Allowed by `retry` | Lost | Doubled |",
    "|---|---|---|---|---|---|---|---|---|",
    ...Object.entries(reports).map(([name, report]) => {
      const faults = Object.values(report.kills).reduce((sum, n) => sum + n, 0)
      const cells = [
        name,
        faults,
        report.rows,
        report.invocations,
        report.effects,
        report.repeatedRuns,
        report.allowedRepeats,
        report.lost,
        report.doubled
      ]
      return `| ${cells.join(" | ")} |`
    })
  ].join("\n")
