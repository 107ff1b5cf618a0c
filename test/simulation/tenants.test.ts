import { describe, expect, test } from "bun:test"
import { BOUND_MS, MISBEHAVIOURS, playTenants, WAITING_BOUND } from "./Tenants.ts"

const SEEDS = [1, 2]

describe("the cost of one organisation to the others", () => {
  for (const misbehaviour of MISBEHAVIOURS) {
    test(misbehaviour.name, () => {
      for (const seed of SEEDS) {
        const { delays, mostWaiting } = playTenants(seed, misbehaviour)
        expect(mostWaiting, `seed ${seed}`).toBeLessThanOrEqual(WAITING_BOUND)
        expect(delays.length).toBeGreaterThan(100)
        expect(delays.at(-1) ?? 0, `seed ${seed}`).toBeLessThanOrEqual(
          misbehaviour.boundMs ?? BOUND_MS
        )
      }
    }, 300_000)
  }
})
