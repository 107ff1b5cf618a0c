import { expect, test } from "bun:test"
import { closestMatch, distance } from "../../src/Domain/DidYouMean.ts"

test.each([
  ["", "", 0],
  ["run", "run", 0],
  ["rnu", "run", 1],
  ["rn", "run", 1],
  ["runn", "run", 1],
  ["kitten", "sitting", 3],
  ["", "abc", 3]
])("the distance from %p to %p is %d edits", (from, to, edits) => {
  expect(distance(from, to)).toBe(edits)
  expect(distance(to, from)).toBe(edits)
})

test("the closest word is suggested, and none if no word is close", () => {
  const known = ["run", "demo", "schedules", "completions"]
  expect(closestMatch("rnu", known)).toBe("run")
  expect(closestMatch("comp", known)).toBe("completions")
  expect(closestMatch("shedules", known)).toBe("schedules")
  expect(closestMatch("xyz", known)).toBeUndefined()
  expect(closestMatch("", known)).toBeUndefined()
  expect(closestMatch("r".repeat(5000), known)).toBeUndefined()
})
