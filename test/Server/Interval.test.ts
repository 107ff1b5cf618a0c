import { expect, test } from "bun:test"
import { nextIteration } from "../../src/Server/Interval.ts"

const MINUTE = 60_000
const at = Date.UTC(2026, 10, 24, 2, 0, 0)

test.each([
  [
    "an iteration at its time, done in time",
    at,
    at + 1_000,
    { waitMs: 59_000, scheduledAt: at + MINUTE }
  ],
  [
    "the first one, between two intervals",
    at + 59_999,
    at + 59_999,
    { waitMs: 1, scheduledAt: at + MINUTE }
  ],
  ["done to the millisecond", at, at + MINUTE, { waitMs: 0, scheduledAt: at + MINUTE }],
  ["one interval missed: immediately", at, at + 61_000, { waitMs: 0, scheduledAt: at + 61_000 }],
  [
    "two missed: immediately, one skipped",
    at,
    at + 121_000,
    { waitMs: 0, scheduledAt: at + 121_000, skipped: 1 }
  ],
  ["the clock set back a little", at, at - 5_000, { waitMs: 65_000, scheduledAt: at + MINUTE }],
  ["the clock set back by hours", at, at - 7_200_500, { waitMs: 500, scheduledAt: at - 7_200_000 }]
])("%s", (_, scheduledAt, now, iteration) => {
  expect(nextIteration(scheduledAt, now, MINUTE)).toEqual({ skipped: 0, ...iteration })
})

test("no interval starts twice, and every missed interval is counted", () => {
  let scheduledAt = at + 123
  let iterations = 0
  let skipped = 0
  for (const took of [10, 59_000, 70_000, 200_000, 0, 60_000, 180_000, 5]) {
    const iteration = nextIteration(scheduledAt, scheduledAt + took, MINUTE)
    expect(iteration.scheduledAt).toBeGreaterThan(scheduledAt)
    expect(iteration.waitMs).toBeLessThanOrEqual(MINUTE)
    scheduledAt = iteration.scheduledAt
    skipped += iteration.skipped
    iterations += 1
  }
  expect(iterations + skipped).toBe(Math.ceil((scheduledAt - at) / MINUTE))
})
