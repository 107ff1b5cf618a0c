import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { format, parse, rough } from "../../src/Domain/Duration.ts"

describe("Duration.parse", () => {
  test.each([
    ["250ms", 250],
    ["90s", 90_000],
    ["15m", 900_000],
    ["36h", 129_600_000],
    ["7d", 604_800_000],
    ["1.5h", 5_400_000],
    ["1h30m", 5_400_000],
    [" 5S ", 5_000],
    ["0s", 0]
  ])("%s is parsed", (text, ms) => {
    expect(parse(text)).toEqual(Either.right(ms))
  })

  test.each(["", "90", "s", "-5s", "5 s", "1y", "1e3s", "5s5", "99999d", "NaNs"])(
    "%p is rejected",
    (text) => {
      expect(Either.isLeft(parse(text))).toBe(true)
    }
  )

  test("a bare number is rejected, with both possible meanings", () => {
    expect(Either.flip(parse("90")).pipe(Either.getOrThrow).fix).toMatch(/90s .* 90m/)
  })
})

describe("Duration.format", () => {
  test.each([
    [0, "0 ms"],
    [340, "340 ms"],
    [999.6, "1.0 s"],
    [1_234, "1.2 s"],
    [59_949, "59.9 s"],
    [59_960, "1 m"],
    [125_000, "2 m 05 s"],
    [3_600_000, "1 h"],
    [12_000_000, "3 h 20 m"],
    [187_200_000, "2 d 4 h"],
    [-1_500, "-1.5 s"]
  ])("%d is formatted", (ms, text) => {
    expect(format(ms)).toBe(text)
  })
})

describe("a short duration", () => {
  test.each([
    [-5, "0 s"],
    [400, "0 s"],
    [45_400, "45 s"],
    [59_600, "1 m"],
    [754_000, "13 m"],
    [12_010_000, "3 h 20 m"],
    [187_200_000, "2 d 4 h"]
  ])("%d is formatted", (ms, text) => {
    expect(rough(ms)).toBe(text)
  })
})
