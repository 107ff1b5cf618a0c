import { describe, expect, test } from "bun:test"
import { Watchdog } from "../../src/Server/Watchdog.ts"

const MINUTE = 60_000
/** The stall threshold: two minutes plus the lease margin. */
const PATIENCE = 3 * MINUTE
const started = 1_000_000

const make = () => new Watchdog(started, MINUTE, MINUTE)

describe("ticks are stalled", () => {
  test("if none begins within the interval plus the stall threshold", () => {
    const watchdog = make()
    expect(watchdog.stalledForMs(started + MINUTE + PATIENCE)).toBe(0)
    expect(watchdog.stalledForMs(started + MINUTE + PATIENCE + 1)).toBe(1)
    watchdog.tickStarted(started + 10 * MINUTE)
    watchdog.tickEnded(started + 10 * MINUTE, null)
    expect(watchdog.stalledForMs(started + 11 * MINUTE)).toBe(0)
  })

  test("if the tick in progress makes no progress, and each step counts as progress", () => {
    const watchdog = make()
    watchdog.tickStarted(started)
    expect(watchdog.stalledForMs(started + PATIENCE)).toBe(0)
    expect(watchdog.stalledForMs(started + PATIENCE + 5)).toBe(5)
    watchdog.recordProgress(started + PATIENCE)
    expect(watchdog.stalledForMs(started + 2 * PATIENCE)).toBe(0)
    expect(watchdog.stalledForMs(started + 2 * PATIENCE + 5)).toBe(5)
  })

  test("never before the deadline of every running function has passed", () => {
    const watchdog = make()
    const until = started + 60 * MINUTE
    watchdog.tickStarted(started)
    watchdog.invoked("a", until)
    watchdog.invoked("b", started + MINUTE)
    expect(watchdog.inFlight).toBe(2)
    watchdog.answered("b", started + MINUTE)
    expect(watchdog.stalledForMs(until + PATIENCE)).toBe(0)
    expect(watchdog.stalledForMs(until + PATIENCE + 1)).toBe(1)
    watchdog.answered("a", started + 2 * MINUTE)
    expect(watchdog.stalledForMs(started + 2 * MINUTE + PATIENCE + 1)).toBe(1)
  })
})
