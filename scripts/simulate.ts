/**
 * Runs the production engine in simulated worlds, one per seed, and checks every invariant in each world:
 *
 *   bun run simulate [--seeds 1000] [--from 1] [--minutes 90] [--jobs 2] [--keep-going]   many seeds, in several processes
 *   bun run simulate --seed 4711 [--minutes 90] [--trace]   replays one seed exactly
 *
 * If an invariant is violated, prints the command that replays the world, and exits with 1. --json prints the totals as JSON.
 */
import { availableParallelism } from "node:os"
import { INVARIANTS } from "../test/simulation/Invariants.ts"
import { type Result, simulate } from "../test/simulation/Simulation.ts"
import { parseOptions } from "./parseOptions.ts"

interface Figures {
  seeds: number
  slots: number
  runs: number
  effects: number
  ticks: number
  violations: number
}

const { values } = parseOptions({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    minutes: { type: "string" },
    jobs: { type: "string", default: String(Math.min(availableParallelism(), 8)) },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false }
  }
})

const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
/** The arguments, other than the seed, that affect a world. */
const world = minutes === undefined ? [] : ["--minutes", `${minutes}`]

const commit = (): string => {
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { stderr: "ignore" })
  return git.success ? git.stdout.toString().trim() : "unknown"
}

const report = ({ seed, violation, level }: Result): void => {
  if (violation === null) return
  const { invariant, message, at } = violation
  console.error(
    [
      `VIOLATION  I${invariant}: ${INVARIANTS[invariant]}`,
      `  ${message}`,
      `  at ${at}, seed ${seed} (faults: ${level}), commit ${commit()}`,
      `  replay: ${["bun run simulate", `--seed ${seed}`, ...world, "--trace"].join(" ")}`
    ].join("\n")
  )
}

const add = (sum: Figures, more: Figures): Figures => ({
  seeds: sum.seeds + more.seeds,
  slots: sum.slots + more.slots,
  runs: sum.runs + more.runs,
  effects: sum.effects + more.effects,
  ticks: sum.ticks + more.ticks,
  violations: sum.violations + more.violations
})

const none: Figures = { seeds: 0, slots: 0, runs: 0, effects: 0, ticks: 0, violations: 0 }

/** Runs `count` seeds sequentially in this process. */
const runSeeds = (from: number, count: number): Figures => {
  let figures = none
  for (let seed = from; seed < from + count; seed++) {
    const result = simulate(seed, { minutes })
    report(result)
    const { slots, runs, effects, ticks, violation } = result
    const violations = violation === null ? 0 : 1
    figures = add(figures, { seeds: 1, slots, runs, effects, ticks, violations })
    if (violations > 0 && !values["keep-going"]) break
  }
  return figures
}

/** The maximum number of seeds per process. Effect keeps the fibers of killed engines in a global set: about 2 MB per seed. */
const STRETCH = 500

/** Runs the seeds in a separate process. */
const runStretch = async (from: number, count: number): Promise<Figures> => {
  const args = ["--from", `${from}`, "--seeds", `${count}`, "--jobs", "1", "--json"]
  args.push(...world, ...(values["keep-going"] ? ["--keep-going"] : []))
  const child = Bun.spawn([process.execPath, import.meta.path, ...args], {
    stdout: "pipe",
    stderr: "inherit"
  })
  const text = await new Response(child.stdout).text()
  const code = await child.exited
  if (text.trim() === "") throw new Error(`a process exited with ${code} and printed no figures`)
  return JSON.parse(text)
}

/** Runs the seeds in several processes, `jobs` at a time. */
const runJobs = async (from: number, count: number, jobs: number): Promise<Figures> => {
  const size = Math.min(Math.ceil(count / jobs), STRETCH)
  let next = from
  let figures = none
  const work = async (): Promise<void> => {
    while (next < from + count && (figures.violations === 0 || values["keep-going"])) {
      const first = next
      next += size
      const stretch = await runStretch(first, Math.min(size, from + count - first))
      figures = add(figures, stretch)
      if (process.stderr.isTTY) console.error(describe(figures))
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return figures
}

const describe = ({ effects, runs, seeds, slots, ticks, violations }: Figures): string => {
  const seconds = (performance.now() - startedAt) / 1000
  return (
    `${seeds} seeds, ${slots} slots, ${runs} runs, ${effects} effects, ${ticks} ticks, ${violations} violations: ` +
    `${seconds.toFixed(1)} s, ${Math.round(slots / seconds)} slots/s`
  )
}

const startedAt = performance.now()
if (values.seed !== undefined) {
  const result = simulate(Number(values.seed), { trace: values.trace, minutes })
  for (const line of result.trace) console.log(line)
  report(result)
  const { seed, slots, runs, effects, ticks, traceHash } = result
  console.log(
    `seed ${seed}: ${slots} slots, ${runs} runs, ${effects} effects, ${ticks} ticks, trace ${traceHash}`
  )
  process.exitCode = result.violation === null ? 0 : 1
} else {
  const [from, count, jobs] = [Number(values.from), Number(values.seeds), Number(values.jobs)]
  const figures =
    jobs > 1 && count > jobs ? await runJobs(from, count, jobs) : runSeeds(from, count)
  console.log(values.json ? JSON.stringify(figures) : describe(figures))
  process.exitCode = figures.violations === 0 ? 0 : 1
}
