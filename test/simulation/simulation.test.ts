import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { INVARIANTS } from "./Invariants.ts"
import { type Result, simulate } from "./Simulation.ts"

const ROOT = join(import.meta.dir, "../..")
/** The number of seeds. For the long run: `bun run simulate --seeds 100000`. */
const SEEDS = 200
/** How many of these seeds run in this process, where the tests can inspect their results. */
const HERE = 48

const describeViolation = ({ seed, violation }: Result): string =>
  violation === null
    ? ""
    : `I${violation.invariant} (${INVARIANTS[violation.invariant]}): ${violation.message}; replay: bun run simulate --seed ${seed} --trace`

describe("simulated worlds", () => {
  let known: ReadonlyArray<Result> | undefined
  const worlds = (): ReadonlyArray<Result> => {
    known ??= Array.from({ length: HERE }, (_, index) => simulate(index + 1))
    return known
  }

  test(`${SEEDS} seeds: every invariant holds in each world`, async () => {
    const script = join(ROOT, "scripts/simulate.ts")
    const elsewhere = SEEDS - HERE
    const args = ["--seeds", `${elsewhere}`, "--from", `${HERE + 1}`, "--jobs", "2"]
    const child = Bun.spawn([process.execPath, script, ...args], {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "pipe"
    })
    const [out, errors, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited
    ])
    console.log(out.trim())
    expect({ errors, code }).toEqual({ errors: "", code: 0 })
    expect(out).toContain(`${elsewhere} seeds,`)
    expect(out).toContain(" 0 violations")
    expect(worlds().map(describeViolation).filter(Boolean)).toEqual([])
  }, 900_000)

  test("the worlds contain faults of every strength and runs of every kind", () => {
    const results = worlds()
    expect(new Set(results.map(({ level }) => level))).toEqual(
      new Set(["none", "light", "some", "heavy"])
    )
    const seen = new Set(results.flatMap(({ transitions }) => [...transitions.keys()]))
    expect([...seen].toSorted()).toEqual(
      expect.arrayContaining([
        "failed > pending: operator_retry",
        "null > pending: insert",
        "pending > running: start",
        "pending > skipped: disabled",
        "pending > unknown: disabled",
        "running > completed: settle:completed",
        "running > failed: settle:failed",
        "running > failed: settle:not_executed",
        "running > pending: settle:not_executed",
        "running > unknown: lease_ended",
        "running > unknown: settle:not_executed",
        "running > unknown: settle:unknown",
        "unknown > completed: settle:completed",
        "unknown > pending: never_began",
        "unknown > pending: on_unknown_retry",
        "unknown > pending: operator_retry",
        "unknown > running: heartbeat"
      ])
    )
    const slots = results.reduce((sum, result) => sum + result.slots, 0)
    expect(slots).toBeGreaterThan(40 * HERE)
  }, 300_000)

  test("equal seeds give identical worlds (I17)", () => {
    const results = worlds()
    for (const { seed, traceHash, events } of results.slice(0, 8)) {
      expect(simulate(seed)).toMatchObject({ seed, traceHash, events })
    }
    expect(new Set(results.map(({ traceHash }) => traceHash)).size).toBe(HERE)
  }, 300_000)
})
