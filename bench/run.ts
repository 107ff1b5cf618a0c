/**
 * Measures Sync Scheduler and its alternatives with the same workloads. Usage: `bun run bench [options]`.
 *
 *   --parts <names>        only these parts, separated by commas: a scenario from Scenarios.ts, startup, ticks, fleet
 *   --only <contenders>    only these contenders from Scenarios.ts, separated by commas, or "all"
 *   --repetitions <n>      the number of repetitions (default 3); figures are medians
 *   --quick                run a twentieth of the jobs, once
 *   --publish              measure nothing; write the stored results to docs/benchmarks.md
 *
 * Each part replaces only its own figures in bench/results/latest.json.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, loadavg, totalmem } from "node:os"
import { join } from "node:path"
import { parseOptions } from "../scripts/parseOptions.ts"
import { type Circumstances, type Results, type Row, textOf } from "./Report.ts"
import { contenders, published, type Scenario, scenarios } from "./Scenarios.ts"
import { type Servers, startServers } from "./Servers.ts"
import { measureStartup } from "./Startup.ts"
import { tableOf } from "./Table.ts"
import { runTrial, type Trial } from "./Trial.ts"

const { values } = parseOptions({
  options: {
    parts: { type: "string" },
    only: { type: "string" },
    repetitions: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    publish: { type: "boolean", default: false }
  }
})
const isQuick = values.quick
const repetitions = isQuick ? 1 : Number(values.repetitions)
const chosen =
  values.only === "all" ? Object.keys(contenders) : (values.only?.split(",") ?? published)
const isWanted = (part: string) => values.parts?.split(",").includes(part) ?? true

const directory = join(import.meta.dir, "results")
const name = isQuick ? "quick" : "latest"
const file = join(directory, `${name}.json`)
const readResults = (): Results =>
  existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8"))
    : { measured: {}, rows: [], ticks: [], fleet: [] }

/** Measures all contenders in turn within each repetition, so that other load affects all contenders equally. */
const compare = async (
  servers: Servers,
  scenario: Scenario,
  names: ReadonlyArray<string>
): Promise<ReadonlyArray<Row>> => {
  const trials = new Map<string, Array<Trial>>(names.map((contender) => [contender, []]))
  for (let n = 0; n < repetitions; n++) {
    for (const contender of names) {
      const trial = await runTrial(servers, contender, scenario)
      trials.get(contender)?.push(trial)
      process.stderr.write(
        `${n + 1}/${repetitions}  ${scenario.name} ${contender}: ${trial.wallMs.toFixed(0)} ms\n`
      )
    }
  }
  return Array.from(trials, ([contender, all]) => ({ scenario, contender, trials: all }))
}

const load = (jobs: number, idle: number, processes = 1, latencyMs = 0): Scenario => ({
  name: `${jobs} x ${latencyMs} ms due, ${idle} not due, ${processes} processes`,
  title: "",
  jobs,
  idle,
  processes,
  latencyMs,
  concurrency: 5
})

const several = async (servers: Servers, loads: ReadonlyArray<Scenario>) => {
  const rows: Array<Row> = []
  for (const one of loads) rows.push(...(await compare(servers, one, ["ours-direct"])))
  return rows
}

const measureTicks = (servers: Servers) =>
  several(
    servers,
    isQuick
      ? [load(0, 1_000), load(0, 10_000), load(100, 0)]
      : [
          ...[1_000, 1_000_000].flatMap((idle) => [load(0, idle), load(1_000, idle)]),
          load(100, 0),
          load(10_000, 0)
        ]
  )

// If jobs take no time, a single engine already saturates the machine.
const measureFleet = (servers: Servers) =>
  several(
    servers,
    (isQuick ? [0] : [10, 0]).flatMap((latencyMs) =>
      [1, 2, 4].map((processes) => load(isQuick ? 500 : 10_000, 0, processes, latencyMs))
    )
  )

const circumstances = (servers: Servers): Circumstances => {
  const { stdout } = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"])
  const when = new Date().toISOString().slice(0, 10)
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  return {
    how: `${when}, commit ${String(stdout).trim()}, ${machine}, Bun ${Bun.version}, PostgreSQL ${servers.version}, ${repetitions} repetitions`,
    load: Number(loadavg()[0]?.toFixed(2))
  }
}

const measure = async (): Promise<void> => {
  const servers = await startServers()
  mkdirSync(directory, { recursive: true })
  const record = async (part: string, change: (before: Results) => Promise<Partial<Results>>) => {
    if (!isWanted(part)) return
    const how = circumstances(servers)
    const before = readResults()
    const after = { ...before, ...(await change(before)) }
    const measured = { ...after.measured, [part]: how }
    writeFileSync(file, `${JSON.stringify({ ...after, measured }, null, 1)}\n`)
  }
  for (const scenario of scenarios(isQuick)) {
    await record(scenario.name, async ({ rows }) => ({
      rows: [
        ...rows.filter((row) => row.scenario.name !== scenario.name),
        ...(await compare(servers, scenario, chosen))
      ]
    }))
  }
  await record("startup", async () => ({
    startup: await measureStartup(servers, isQuick ? 3 : 15)
  }))
  await record("ticks", async () => ({ ticks: await measureTicks(servers) }))
  await record("fleet", async () => ({ fleet: await measureFleet(servers) }))
  await servers.close()
}

const publish = (): void => {
  const page = join(import.meta.dir, "..", "docs", "benchmarks.md")
  const text = readFileSync(page, "utf8")
  const [before = "", rest = ""] = text.split(/(?<=<!-- figures:begin.*-->\n)/)
  const after = rest.slice(rest.indexOf("<!-- figures:end -->"))
  const figures = tableOf(readResults())
  writeFileSync(page, `${before}${figures}\n${after}`)
  console.log(figures)
}

if (values.publish) publish()
else {
  await measure()
  console.log(textOf(readResults()))
}
process.exit(0)
