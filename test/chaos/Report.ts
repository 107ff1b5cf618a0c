import { type ChaosReport, FREEZE, FUNCTIONS, POSTGRES, RANDOM } from "./Chaos.ts"
import { killPoints } from "./KillPoint.ts"

/** The report as a table for people. */
export const showReport = (report: ChaosReport): string => {
  const order = [...killPoints.map((point) => point.name), RANDOM, POSTGRES, FUNCTIONS, FREEZE]
  const engineKills = order.slice(0, -3).reduce((sum, name) => sum + (report.kills[name] ?? 0), 0)
  const lines: ReadonlyArray<readonly [string, number | string]> = [
    ...order.map((name) => [name, report.kills[name] ?? 0] as const),
    ["engines killed", engineKills],
    ["", ""],
    ["engines started", report.ticks],
    [
      "exit codes of the others",
      Object.entries(report.exitCodes)
        .map(([code, n]) => `${code}: ${n}`)
        .join(", ")
    ],
    ["slots", report.slots],
    ["runs", report.rows],
    ["slots passed over, on record", report.passedOver],
    ["invocations", report.invocations],
    ["runs with more than one attempt", report.repeatedRuns],
    ["effects", report.effects],
    ["repeats that 'retry' allows", report.allowedRepeats],
    ["held and decided by an operator", report.held],
    ["seconds", report.seconds],
    ["", ""],
    ["doubled", report.doubled],
    ["lost", report.lost],
    ["violations", report.violations.length]
  ]
  const table = lines.map(([name, value]) =>
    name === "" ? "" : `${name.padEnd(34)} ${String(value).padStart(8)}`
  )
  return [...table, ...report.violations.map((violation) => `! ${violation}`)].join("\n")
}
