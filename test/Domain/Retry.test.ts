import { describe, expect, it } from "bun:test"
import * as fc from "effect/FastCheck"
import { readRetryAfter, retryDelay } from "../../src/Domain/Retry.ts"

const timing = fc.record({
  attempt: fc.integer({ min: 1, max: 2_000 }),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
  random: fc.double({ min: 0, max: 1, noNaN: true }),
  baseMs: fc.integer({ min: 0, max: 60_000 }),
  capMs: fc.integer({ min: 0, max: 86_400_000 })
})

describe("the delay before a retry", () => {
  it("is a whole number of milliseconds between 0 and the cap", () => {
    fc.assert(
      fc.property(timing, (t) => {
        const delay = retryDelay(t)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(t.capMs)
      })
    )
  })

  it("is at least Retry-After and, with a Retry-After, at least 1 s, up to the cap", () => {
    fc.assert(
      fc.property(timing, fc.integer({ min: 0, max: 10_000_000 }), (t, retryAfterMs) => {
        const least = Math.min(Math.max(retryAfterMs, 1_000), t.capMs)
        expect(retryDelay({ ...t, retryAfterMs })).toBeGreaterThanOrEqual(least)
      })
    )
  })

  it("grows with the random number and covers the whole range", () => {
    fc.assert(
      fc.property(timing, timing, (t, { random }) => {
        const [low, high] = [Math.min(t.random, random), Math.max(t.random, random)]
        expect(retryDelay({ ...t, random: low })).toBeLessThanOrEqual(
          retryDelay({ ...t, random: high })
        )
      })
    )
  })

  const settings = { retryAfterMs: null, baseMs: 5_000, capMs: 900_000 }
  it.each([
    [1, 5_000],
    [2, 10_000],
    [3, 20_000],
    [8, 640_000],
    [9, 900_000],
    [5_000, 900_000]
  ])("after attempt %i is at most %i ms, and at least 0", (attempt, most) => {
    expect(retryDelay({ ...settings, attempt, random: 1 })).toBe(most)
    expect(retryDelay({ ...settings, attempt, random: 0.5 })).toBe(most / 2)
    expect(retryDelay({ ...settings, attempt, random: 0 })).toBe(0)
  })

  it("spreads runs with the same Retry-After", () => {
    const withRetryAfter = { ...settings, attempt: 1, retryAfterMs: 30_000 }
    expect(retryDelay({ ...withRetryAfter, random: 0 })).toBe(30_000)
    expect(retryDelay({ ...withRetryAfter, random: 1 })).toBe(35_000)
  })
})

describe("Retry-After", () => {
  const now = Date.UTC(1994, 10, 6, 8, 49, 37)
  it.each([
    ["120", null, 120_000],
    [" 0 ", null, 0],
    ["1.5", null, 1_500],
    ["9".repeat(400), null, Number.MAX_SAFE_INTEGER],
    ["Sun, 06 Nov 1994 08:50:37 GMT", null, 60_000],
    ["Sunday, 06-Nov-94 08:50:37 GMT", null, 60_000],
    ["Sun Nov  6 08:50:37 1994", null, 60_000],
    ["Sun, 06 Nov 1994 08:00:00 GMT", null, 0],
    ["Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50:07 GMT", 30_000],
    ["Sun, 06 Nov 1994 08:50:37 GMT", "yesterday", 60_000],
    ["-1", null, null],
    ["soon", null, null],
    ["1994-11-06T08:50:37Z", null, null],
    ["Sun, 99 Nov 1994 08:50:37 GMT", null, null],
    ["", null, null],
    [null, null, null]
  ])("%p with Date %p is %p ms", (header, date, expected) => {
    expect(readRetryAfter(header, date, now)).toBe(expected)
  })

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string()), (header, date) => {
        const ms = readRetryAfter(header, date, now)
        expect(ms === null || ms >= 0).toBe(true)
      })
    )
  })
})
