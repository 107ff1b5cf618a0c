import { fixed, jobsPerSecond, median, of, type Results, type Row, scoreOf } from "./Report.ts"
import { scenarios } from "./Scenarios.ts"
import type { Trial } from "./Trial.ts"

/** A column shows the fastest variant of a contender. */
const COLUMNS: ReadonlyArray<readonly [title: string, forms: ReadonlyArray<string>]> = [
  ["HTTP alone", ["http-own"]],
  ["Sync Scheduler, direct", ["ours-direct"]],
  ["pg-boss", ["pg-boss-seq", "pg-boss-wave"]],
  ["graphile-worker, run log", ["graphile-history"]],
  ["DBOS Transact", ["dbos"]],
  ["Sync Scheduler, supabase-js", ["ours-api"]],
  ["bulk RPC, supabase-js", ["rest-bulk"]]
]

/** Returns the table and the figures for docs/benchmarks.md. */
export const tableOf = ({ fleet, measured, rows, startup, ticks }: Results): string => {
  const best = (scenario: string, forms: ReadonlyArray<string>): Row | undefined =>
    rows
      .filter((row) => row.scenario.name === scenario && forms.includes(row.contender))
      .toSorted((a, b) => of(a, ({ wallMs }) => wallMs) - of(b, ({ wallMs }) => wallMs))[0]
  const line = (title: string, scenario: string, show: (row: Row) => string): string => {
    const cells = COLUMNS.map(([, forms]) => {
      const row = best(scenario, forms)
      return row === undefined ? "-" : show(row)
    })
    return `| ${[title, ...cells].join(" | ")} |`
  }
  const ideal = (row: Row) => fixed(scoreOf(row).value, 3)
  const aSecond = (row: Row) => fixed(jobsPerSecond(row), 0)
  const perRun = (row: Row, pick: (trial: Trial) => number) =>
    fixed(of(row, pick) / row.scenario.jobs, 2)
  const processor = (row: Row) =>
    `${perRun(row, ({ cpuMs }) => cpuMs)} / ${perRun(row, ({ postgresCpuMs }) => postgresCpuMs)}`
  const [cold = "", slow = "", fast = "", five = "", fifty = ""] = scenarios(false).map(
    ({ name }) => name
  )
  const table = [
    `| | ${COLUMNS.map(([title]) => title).join(" | ")} |`,
    `|---|${COLUMNS.map(() => "---|").join("")}`,
    line("250 x 100 ms at 5, wall / ideal", cold, ideal),
    line("1,000 x 100 ms at 5, wall / ideal", slow, ideal),
    line("2,000 x 10 ms at 5, wall / ideal", fast, ideal),
    line("2,000 x 10 ms at 5, CPU ms per run, own / PostgreSQL", fast, processor),
    line("5,000 empty at 5, runs per second", five, aSecond),
    line("5,000 empty at 50, runs per second", fifty, aSecond),
    line("5,000 empty at 50, CPU ms per run, own / PostgreSQL", fifty, processor),
    line("5,000 empty at 50, peak memory, MB", fifty, (row) => fixed(of(row, memory), 0))
  ]
  const tick = (jobs: number, idle: number, pick: (trial: Trial) => number): string => {
    const row = ticks.find(({ scenario }) => scenario.jobs === jobs && scenario.idle === idle)
    return row === undefined ? "-" : fixed(of(row, pick), pick === memory ? 0 : 1)
  }
  const engines = (latencyMs: number): string =>
    fleet
      .filter(({ scenario }) => scenario.latencyMs === latencyMs)
      .map(
        (row) => `${aSecond(row)} (${fixed((100 * of(row, lost)) / row.scenario.jobs, 1)} % lost)`
      )
      .join(" / ")
  const start = (pick: "idleDirect" | "idleApi" | "query"): string =>
    startup === undefined ? "-" : fixed(median(startup[pick]), 0)
  const figures = [
    `- **Start to exit with nothing due**: ${start("idleDirect")} ms direct, ${start("idleApi")} ms over supabase-js. A program that loads Effect and sends one query takes ${start("query")} ms.`,
    `- **A tick with nothing due**, among 1,000 / 1,000,000 integrations: ${tick(0, 1_000, wall)} / ${tick(0, 1_000_000, wall)} ms. With 1,000 due: ${tick(1_000, 1_000, wall)} / ${tick(1_000, 1_000_000, wall)} ms.`,
    `- **Peak memory** with 100 / 10,000 integrations due: ${tick(100, 0, memory)} / ${tick(10_000, 0, memory)} MB.`,
    `- **1 / 2 / 4 engines that share 10,000 due integrations**, runs per second and claims lost to another engine: ${engines(10)} with calls of 10 ms; ${engines(0)} with empty calls.`
  ]
  const dates = Array.from(
    Map.groupBy(Object.entries(measured), ([, { how }]) => how),
    ([how, parts]) =>
      `- Measured ${how}: ${parts.map(([part, { load }]) => `${part} (load ${load})`).join(", ")}.`
  )
  return [...table, "", ...figures, ...dates].join("\n")
}

const wall = ({ wallMs }: Trial): number => wallMs
const memory = ({ peakRssMb }: Trial): number => peakRssMb
const lost = (trial: Trial): number => trial.lost
