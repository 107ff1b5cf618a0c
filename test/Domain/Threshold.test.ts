import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { counts, levelOf, spans, worst } from "../../src/Domain/Threshold.ts"

describe("thresholds", () => {
  test.each([
    ["10m", { warning: null, critical: 600_000 }],
    ["5m, 10m", { warning: 300_000, critical: 600_000 }],
    ["5m,", { warning: 300_000, critical: null }],
    [",1h", { warning: null, critical: 3_600_000 }]
  ] as const)("%s is parsed", (text, expected) => {
    expect(Either.getOrThrow(spans(text))).toEqual(expected)
  })

  test.each([
    ["", "one or two thresholds"],
    [",", "one or two thresholds"],
    ["1m,2m,3m", "one or two thresholds"],
    ["10m,5m", "above the critical"],
    ["5", "unit"],
    ["soon,5m", "not a duration"]
  ])("%j is rejected", (text, why) => {
    expect(Either.flip(spans(text)).pipe(Either.getOrThrow).why).toContain(why)
  })

  test("counts are whole numbers", () => {
    expect(Either.getOrThrow(counts("1,5"))).toEqual({ warning: 1, critical: 5 })
    expect(Either.isLeft(counts("1.5"))).toBe(true)
    expect(Either.isLeft(counts("-1"))).toBe(true)
  })

  test("a value equal to its threshold has reached it, and an omitted level is never reached", () => {
    const threshold = { warning: 1, critical: 5 }
    expect([0, 1, 4, 5].map((value) => levelOf(value, threshold))).toEqual([
      ...(["OK", "WARNING", "WARNING", "CRITICAL"] as const)
    ])
    expect(levelOf(1e9, { warning: null, critical: null })).toBe("OK")
    expect(worst(["OK", "CRITICAL", "WARNING"])).toBe("CRITICAL")
    expect(worst([])).toBe("OK")
  })
})
