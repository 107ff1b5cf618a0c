import { describe, expect, test } from "bun:test"
import { Vitals } from "../../src/Serve/Vitals.ts"

const MINUTE = 60_000
/** Two minutes, and the lease margin. */
const PATIENCE = 3 * MINUTE
const started = 1_000_000

const make = () => new Vitals(started, MINUTE, MINUTE)

describe("ticks are stuck", () => {
  test("when none begins for longer than the interval and the patience", () => {
    const vitals = make()
    expect(vitals.stuckMs(started + MINUTE + PATIENCE)).toBe(0)
    expect(vitals.stuckMs(started + MINUTE + PATIENCE + 1)).toBe(1)
    vitals.tickBegan(started + 10 * MINUTE)
    vitals.tickEnded(started + 10 * MINUTE, null)
    expect(vitals.stuckMs(started + 11 * MINUTE)).toBe(0)
  })

  test("when one under way does not go forward; each step counts", () => {
    const vitals = make()
    vitals.tickBegan(started)
    expect(vitals.stuckMs(started + PATIENCE)).toBe(0)
    expect(vitals.stuckMs(started + PATIENCE + 5)).toBe(5)
    vitals.moved(started + PATIENCE)
    expect(vitals.stuckMs(started + 2 * PATIENCE)).toBe(0)
    expect(vitals.stuckMs(started + 2 * PATIENCE + 5)).toBe(5)
  })

  test("never while a function may still answer in time, however long that is", () => {
    const vitals = make()
    const until = started + 60 * MINUTE
    vitals.tickBegan(started)
    vitals.invoked("a", until)
    vitals.invoked("b", started + MINUTE)
    expect(vitals.inFlight).toBe(2)
    vitals.answered("b", started + MINUTE)
    expect(vitals.stuckMs(until + PATIENCE)).toBe(0)
    expect(vitals.stuckMs(until + PATIENCE + 1)).toBe(1)
    vitals.answered("a", started + 2 * MINUTE)
    expect(vitals.stuckMs(started + 2 * MINUTE + PATIENCE + 1)).toBe(1)
  })
})
