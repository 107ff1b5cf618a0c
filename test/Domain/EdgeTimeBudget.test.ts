import { expect, test } from "bun:test"
import * as fc from "effect/FastCheck"
import { divide } from "../../src/Domain/EdgeTimeBudget.ts"

test("the platform's two plans have known budgets", () => {
  expect(divide(150_000, 155_000)).toEqual({ budgetMs: 25_000, invokeTimeoutMs: 110_000 })
  expect(divide(400_000, 155_000)).toEqual({ budgetMs: 230_000, invokeTimeoutMs: 155_000 })
  expect(divide(150_000, 20_000)).toEqual({ budgetMs: 115_000, invokeTimeoutMs: 20_000 })
})

test("the budget fits the wall clock, and leaves time for both deadlines", () => {
  const wallClock = fc.integer({ min: 30_000, max: 3_600_000 })
  const timeout = fc.integer({ min: 100, max: 3_600_000 })
  fc.assert(
    fc.property(wallClock, timeout, (wallClockMs, timeoutMs) => {
      const { budgetMs, invokeTimeoutMs } = divide(wallClockMs, timeoutMs)
      expect(budgetMs + invokeTimeoutMs).toBeLessThanOrEqual(wallClockMs - 15_000)
      expect(budgetMs).toBeGreaterThanOrEqual(7_500)
      expect(invokeTimeoutMs).toBeGreaterThan(0)
      expect(invokeTimeoutMs).toBeLessThanOrEqual(timeoutMs)
    })
  )
})
