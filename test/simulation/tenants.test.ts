import { describe, expect, test } from "bun:test"
import { BOUND_MS, MISBEHAVIOURS, playTenants, WAITING_BOUND } from "./Tenants.ts"

/** `bun run simulate` plays one of these days for every hundredth seed. */
const SEED = 1

describe("the cost of one organisation to the others", () => {
  for (const misbehaviour of MISBEHAVIOURS) {
    test(misbehaviour.name, () => {
      const { delays, mostWaiting } = playTenants(SEED, misbehaviour)
      expect(mostWaiting).toBeLessThanOrEqual(WAITING_BOUND)
      expect(delays.length).toBeGreaterThan(100)
      expect(delays.at(-1) ?? 0).toBeLessThanOrEqual(misbehaviour.boundMs ?? BOUND_MS)
    }, 300_000)
  }
})
