import { expect, test } from "bun:test"
import { nextTurn } from "../../src/Serve/Beat.ts"

const MINUTE = 60_000
const at = Date.UTC(2026, 10, 24, 2, 0, 0)

test.each([
  ["a turn on its beat, done in time", at, at + 1_000, { waitMs: 59_000, beat: at + MINUTE }],
  ["the first one, between beats", at + 59_999, at + 59_999, { waitMs: 1, beat: at + MINUTE }],
  ["done to the millisecond", at, at + MINUTE, { waitMs: 0, beat: at + MINUTE }],
  ["one beat missed: at once", at, at + 61_000, { waitMs: 0, beat: at + 61_000 }],
  [
    "two missed: at once, one skipped",
    at,
    at + 121_000,
    { waitMs: 0, beat: at + 121_000, skipped: 1 }
  ],
  ["the clock set back a little", at, at - 5_000, { waitMs: 65_000, beat: at + MINUTE }],
  ["the clock set back by hours", at, at - 7_200_500, { waitMs: 500, beat: at - 7_200_000 }]
])("%s", (_, beat, now, turn) => {
  expect(nextTurn(beat, now, MINUTE)).toEqual({ skipped: 0, ...turn })
})

test("a beat never comes twice, and none is lost unless it is counted", () => {
  let beat = at + 123
  let turns = 0
  let skipped = 0
  for (const took of [10, 59_000, 70_000, 200_000, 0, 60_000, 180_000, 5]) {
    const turn = nextTurn(beat, beat + took, MINUTE)
    expect(turn.beat).toBeGreaterThan(beat)
    expect(turn.waitMs).toBeLessThanOrEqual(MINUTE)
    beat = turn.beat
    skipped += turn.skipped
    turns += 1
  }
  expect(turns + skipped).toBe(Math.ceil((beat - at) / MINUTE))
})
