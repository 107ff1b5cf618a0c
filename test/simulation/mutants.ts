/**
 * Removes one safeguard at a time in a copy of the sources, and checks that the simulation detects its absence.
 *
 * Usage: `bun run mutants [--seeds 600] [--jobs 2] [--only <word>]`
 *
 * Exits with 1 if a mutant survives or its text is missing from the source. A safeguard in SQL is removed from its
 * mirror in test/support. test/contract/MemoryParity.test.ts compares the two.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { parseOptions } from "../../scripts/parseOptions.ts"
import { MUTANTS, type Mutant } from "./MutantList.ts"

const ROOT = join(import.meta.dir, "../..")
const COPIED = [
  "src",
  "supabase",
  "test/support",
  "test/simulation",
  "scripts",
  "package.json",
  "tsconfig.json"
]

export interface Verdict {
  readonly mutant: Mutant
  /** Null if the mutant survived. */
  readonly killedBy: { readonly invariant: string; readonly seed: number } | null
  readonly seconds: number
}

/** Copies the sources without the safeguard. Fails when the text to replace is missing. */
const copyWithout = (mutant: Mutant): string => {
  const directory = mkdtempSync(join(tmpdir(), "sync-scheduler-mutant-"))
  for (const path of COPIED) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    cpSync(join(ROOT, path), join(directory, path), { recursive: true })
  }
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"))
  for (const { file, find, replace } of mutant.edits) {
    const path = join(directory, file)
    const parts = readFileSync(path, "utf8").split(find)
    if (parts.length !== 2) {
      rmSync(directory, { recursive: true })
      throw new Error(`${mutant.name}: ${parts.length - 1} places in ${file} read "${find}"`)
    }
    writeFileSync(path, parts.join(replace))
  }
  return directory
}

/** Simulates the mutant, from seed 1, until a seed detects it. */
export const tryMutant = async (mutant: Mutant, seeds: number): Promise<Verdict> => {
  const directory = copyWithout(mutant)
  const startedAt = performance.now()
  try {
    const args = ["scripts/simulate.ts", "--seeds", `${seeds}`, "--jobs", "1"]
    const child = Bun.spawn([process.execPath, ...args], {
      cwd: directory,
      stdout: "ignore",
      stderr: "pipe"
    })
    const errors = await new Response(child.stderr).text()
    const code = await child.exited
    const seconds = (performance.now() - startedAt) / 1000
    const [, invariant] = /VIOLATION {2}(I\d+)/.exec(errors) ?? []
    const [, seed] = / seed (\d+)/.exec(errors) ?? []
    if (code === 0) return { mutant, killedBy: null, seconds }
    if (invariant === undefined) throw new Error(`${mutant.name}: ${errors}`)
    return { mutant, killedBy: { invariant, seed: Number(seed) }, seconds }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Runs `jobs` mutants at a time, and returns the verdicts in list order. */
export const tryMutants = async (
  mutants: ReadonlyArray<Mutant>,
  seeds: number,
  jobs: number,
  tell: (verdict: Verdict) => void = () => {}
): Promise<ReadonlyArray<Verdict>> => {
  const waiting = [...mutants]
  const verdicts: Array<Verdict> = []
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await tryMutant(mutant, seeds)
      verdicts.push(verdict)
      tell(verdict)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return verdicts
}

const showVerdict = ({ mutant, killedBy, seconds }: Verdict): string => {
  const outcome = killedBy === null ? "SURVIVED" : `${killedBy.invariant}, seed ${killedBy.seed}`
  return `| ${mutant.name} | ${mutant.where} | ${outcome} | ${seconds.toFixed(1)} |`
}

if (import.meta.main) {
  const { values } = parseOptions({
    options: {
      seeds: { type: "string", default: "600" },
      jobs: { type: "string", default: `${Math.min(availableParallelism(), 8)}` },
      only: { type: "string", default: "" }
    }
  })
  const chosen = MUTANTS.filter(({ name }) => name.includes(values.only))
  console.log("| Removed safeguard | Where | Detected by | Seconds |\n|---|---|---|---|")
  const verdicts = await tryMutants(chosen, Number(values.seeds), Number(values.jobs), (verdict) =>
    console.log(showVerdict(verdict))
  )
  const survivors = verdicts.filter(({ killedBy }) => killedBy === null)
  console.log(`\n${verdicts.length} mutants, ${survivors.length} survived`)
  process.exitCode = survivors.length === 0 ? 0 : 1
}
