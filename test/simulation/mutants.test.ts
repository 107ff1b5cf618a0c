import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { MUTANTS } from "./MutantList.ts"
import { tryMutants } from "./mutants.ts"

const ROOT = join(import.meta.dir, "../..")

/** Mutants that the first few seeds detect. `bun run mutants` runs all mutants. */
const SHORT = [
  "a run is sent within 20 s of the request for its start",
  "at most `concurrency` invocations are in flight",
  "skipped slots are recorded",
  "settling requires the lease token",
  "'hold' is never retried automatically"
]

describe("removed safeguards", () => {
  test("each occur in the source exactly once", () => {
    const missing = MUTANTS.flatMap(({ name, edits }) =>
      edits
        .filter(({ file, find }) => {
          const text = readFileSync(join(ROOT, file), "utf8")
          return text.split(find).length !== 2
        })
        .map(({ file, find }) => `${name}: ${file} does not read ${find}`)
    )
    expect(missing).toEqual([])
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
  })

  test("are detected by the simulation", async () => {
    const chosen = MUTANTS.filter(({ name }) => SHORT.includes(name))
    expect(chosen.length).toBe(SHORT.length)
    const verdicts = await tryMutants(chosen, 20, 2)
    const survivors = verdicts.filter(({ killedBy }) => killedBy === null)
    expect(survivors.map(({ mutant }) => mutant.name)).toEqual([])
  }, 300_000)
})
