import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { chartOf } from "./Chart.ts"
import { type Row, scoreOf, textOf } from "./Report.ts"
import { contenders, quickContenders, type Scenario, scenarios } from "./Scenarios.ts"
import { startServers } from "./Servers.ts"
import { measureStartup } from "./Startup.ts"
import { runTrial, type Trial } from "./Trial.ts"

// `bun run bench`: the same work by Sync Scheduler and by what one would use instead, side by side in one run.
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    repetitions: { type: "string", default: "3" },
    only: { type: "string" }
  }
})
const isQuick = values.quick
const repetitions = isQuick ? 1 : Number(values.repetitions)
const chosen = values.only?.split(",") ?? (isQuick ? quickContenders : Object.keys(contenders))
const results = join(import.meta.dir, "results")
const note = (line: string) => process.stderr.write(`${line}\n`)

const servers = await startServers()

/** Repetitions outside, contenders inside, so that whatever else the machine does meets all of them. */
const compare = async (
  all: ReadonlyArray<Scenario>,
  names: ReadonlyArray<string>
): Promise<ReadonlyArray<Row>> => {
  const trials = new Map<string, Array<Trial>>()
  for (let n = 0; n < repetitions; n++) {
    for (const scenario of all) {
      for (const contender of names) {
        const key = `${scenario.name} ${contender}`
        const trial = await runTrial(servers, contender, scenario)
        trials.set(key, [...(trials.get(key) ?? []), trial])
        note(`${n + 1}/${repetitions}  ${key}: ${trial.wallMs.toFixed(0)} ms`)
      }
    }
  }
  return all.flatMap((scenario) =>
    names.map((contender) => ({
      scenario,
      contender,
      trials: trials.get(`${scenario.name} ${contender}`) ?? []
    }))
  )
}

const load = (jobs: number, idle: number, processes = 1, latencyMs = 0): Scenario => ({
  name: `${jobs} x ${latencyMs} ms due, ${idle} not, ${processes} processes`,
  title: "",
  jobs,
  idle,
  processes,
  latencyMs,
  concurrency: 5
})

const rows = await compare(scenarios(isQuick), chosen)
const startup = await measureStartup(servers, isQuick ? 3 : 15)
const sizes = isQuick ? [1_000, 10_000] : [1_000, 100_000, 1_000_000]
const ticks = await compare(
  [
    ...sizes.flatMap((idle) => [load(0, idle), load(isQuick ? 100 : 1_000, idle)]),
    ...(isQuick ? [] : [load(100, 0), load(10_000, 0)])
  ],
  ["ours-direct"]
)
const shared = isQuick ? 500 : 10_000
// Of empty jobs one engine fills the machine; of others several have room to grow.
const fleet = await compare(
  (isQuick ? [0] : [10, 0]).flatMap((latencyMs) =>
    [1, 2, 4].map((processes) => load(shared, 0, processes, latencyMs))
  ),
  ["ours-direct"]
)
const machine = {
  date: new Date().toISOString().slice(0, 10),
  processor: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: `${process.platform} ${release()}`,
  versions: `Bun ${Bun.version}, PostgreSQL ${servers.version}`,
  repetitions: `${repetitions}, medians`
}
await servers.close()
const all = { machine, rows, startup, ticks, fleet }
const text = textOf(all)
const scores = rows.map((row) => ({
  scenario: row.scenario.name,
  contender: row.contender,
  score: scoreOf(row).value
}))
mkdirSync(results, { recursive: true })
const name = isQuick ? "quick" : "latest"
writeFileSync(join(results, `${name}.json`), `${JSON.stringify({ ...all, scores }, null, 1)}\n`)
writeFileSync(join(results, `${name}.txt`), `${text}\n`)
writeFileSync(join(results, `${name}.svg`), chartOf(rows))
console.log(text)
process.exit(0)
