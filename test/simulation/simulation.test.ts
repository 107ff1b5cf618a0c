import { describe, expect, test } from "bun:test"
import { INVARIANTS } from "./Invariants.ts"
import { type Result, simulate } from "./Simulation.ts"

/** The number of seeds. CI also runs `bun run simulate --seeds 200`; the long run has 100,000 seeds. */
const SEEDS = 48

const describeViolation = ({ seed, violation }: Result): string =>
  violation === null
    ? ""
    : `I${violation.invariant} (${INVARIANTS[violation.invariant]}): ${violation.message}; replay: bun run simulate --seed ${seed} --trace`

describe("simulated worlds", () => {
  let known: ReadonlyArray<Result> | undefined
  const worlds = (): ReadonlyArray<Result> => {
    known ??= Array.from({ length: SEEDS }, (_, index) => simulate(index + 1))
    return known
  }

  test("satisfy every invariant", () => {
    expect(worlds().map(describeViolation).filter(Boolean)).toEqual([])
  }, 300_000)

  test("contain faults of every strength and runs of every kind", () => {
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
    expect(slots).toBeGreaterThan(40 * SEEDS)
  }, 300_000)

  test("are identical for equal seeds (I17)", () => {
    const results = worlds()
    for (const { seed, traceHash, events } of results.slice(0, 8)) {
      expect(simulate(seed)).toMatchObject({ seed, traceHash, events })
    }
    expect(new Set(results.map(({ traceHash }) => traceHash)).size).toBe(SEEDS)
  }, 300_000)
})
