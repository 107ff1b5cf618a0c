import { contenders, idealMs, type Scenario } from "./Scenarios.ts"
import type { Startup } from "./Startup.ts"
import type { Trial } from "./Trial.ts"

/** All repetitions of one contender in one scenario. */
export interface Row {
  readonly scenario: Scenario
  readonly contender: string
  readonly trials: ReadonlyArray<Trial>
}

/** `how` describes the machine, commit and versions of a measurement. `load` is the load average before it started. */
export interface Circumstances {
  readonly how: string
  readonly load: number
}

export interface Results {
  readonly measured: Readonly<Record<string, Circumstances>>
  readonly rows: ReadonlyArray<Row>
  readonly startup?: Startup
  readonly ticks: ReadonlyArray<Row>
  readonly fleet: ReadonlyArray<Row>
}

export const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

export const of = (row: Row, pick: (trial: Trial) => number): number => median(row.trials.map(pick))
export const fixed = (number: number, digits: number): string => number.toFixed(digits)
export const jobsPerSecond = (row: Row): number =>
  (1000 * row.scenario.jobs) / of(row, (t) => t.wallMs)

/** Returns the wall time divided by the ideal wall time, or jobs per second when the jobs take no time. */
export const scoreOf = (row: Row): { readonly value: number; readonly shown: string } => {
  const ideal = idealMs(row.scenario)
  const value = ideal > 0 ? of(row, (t) => t.wallMs) / ideal : jobsPerSecond(row)
  return { value, shown: ideal > 0 ? `${fixed(value, 3)} x ideal` : `${fixed(value, 0)}/s` }
}

const columns = (cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (cells[0] ?? []).map((_, at) =>
    Math.max(...cells.map((row) => (row[at] ?? "").length))
  )
  return cells
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
        )
        .join("  ")
    )
    .join("\n")
}

const comparison = (title: string, rows: ReadonlyArray<Row>): string =>
  `${title}\n${columns([
    ["", "result", "wall ms (min-max)", "CPU ms/job", "PostgreSQL ms/job", "RSS MB"],
    ...rows.map((row) => {
      const walls = row.trials.map((t) => t.wallMs)
      const perJob = (pick: (t: Trial) => number) =>
        fixed(of(row, pick) / Math.max(row.scenario.jobs, 1), 3)
      return [
        contenders[row.contender] ?? row.contender,
        scoreOf(row).shown,
        `${fixed(median(walls), 0)} (${fixed(Math.min(...walls), 0)}-${fixed(Math.max(...walls), 0)})`,
        perJob((t) => t.cpuMs),
        perJob((t) => t.postgresCpuMs),
        fixed(
          of(row, (t) => t.peakRssMb),
          0
        )
      ]
    })
  ])}`

const spread = (numbers: ReadonlyArray<number>): string =>
  `${fixed(median(numbers), 1)} ms (${fixed(Math.min(...numbers), 1)}-${fixed(Math.max(...numbers), 1)})`

export const textOf = ({ fleet, measured, rows, startup, ticks }: Results): string => {
  const names = [...new Set(rows.map(({ scenario }) => scenario.name))]
  const circumstances = Object.entries(measured).map(
    ([part, { how, load }]) => `${part}: ${how}; load ${load} before`
  )
  const scenarioTexts = names.map((name) => {
    const own = rows.filter(({ scenario }) => scenario.name === name)
    return comparison(own[0]?.scenario.title ?? name, own)
  })
  const startupText =
    startup === undefined
      ? ""
      : `Start to exit, nothing due\n${columns([
          ["a compiled hello world", spread(startup.hello)],
          ["a compiled program that loads Effect and sends one query", spread(startup.query)],
          ["help", spread(startup.help)],
          ["ready, no server", spread(startup.ready)],
          ["the binary, direct", spread(startup.idleDirect)],
          ["the binary, supabase-js", spread(startup.idleApi)]
        ])}`
  const tickText = `A tick's cost by the number of integrations not due (direct, empty jobs)\n${columns(
    [
      ["integrations not due", "due", "wall ms", "RSS MB", "live heap MB"],
      ...ticks.map((row) => [
        (row.scenario.idle ?? 0).toLocaleString("en"),
        row.scenario.jobs.toLocaleString("en"),
        fixed(
          of(row, (t) => t.wallMs),
          1
        ),
        fixed(
          of(row, (t) => t.peakRssMb),
          0
        ),
        fixed(
          of(row, (t) => t.liveHeapMb),
          0
        )
      ])
    ]
  )}`
  const fleetText = `Engines that share one project (direct, concurrency 5 each)\n${columns([
    ["processes", "jobs", "each", "jobs/s", "lost claims", "CPU ms/job", "PostgreSQL ms/job"],
    ...fleet.map((row) => [
      String(row.scenario.processes ?? 1),
      row.scenario.jobs.toLocaleString("en"),
      `${row.scenario.latencyMs} ms`,
      fixed(jobsPerSecond(row), 0),
      `${fixed((100 * of(row, (t) => t.lost)) / row.scenario.jobs, 1)} %`,
      fixed(of(row, (t) => t.cpuMs) / row.scenario.jobs, 3),
      fixed(of(row, (t) => t.postgresCpuMs) / row.scenario.jobs, 3)
    ])
  ])}`
  return [circumstances.join("\n"), ...scenarioTexts, startupText, tickText, fleetText].join("\n\n")
}
