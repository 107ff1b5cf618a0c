import { expect, test } from "bun:test"
import { distance, nearest } from "../../src/Domain/Suggestion.ts"

test.each([
  ["", "", 0],
  ["run", "run", 0],
  ["rnu", "run", 1],
  ["rn", "run", 1],
  ["runn", "run", 1],
  ["kitten", "sitting", 3],
  ["", "abc", 3]
])("%p to %p are %d edits", (from, to, edits) => {
  expect(distance(from, to)).toBe(edits)
  expect(distance(to, from)).toBe(edits)
})

test("suggests what was probably meant, and nothing when nothing is near", () => {
  const known = ["run", "demo", "schedules", "completions"]
  expect(nearest("rnu", known)).toBe("run")
  expect(nearest("comp", known)).toBe("completions")
  expect(nearest("shedules", known)).toBe("schedules")
  expect(nearest("xyz", known)).toBeUndefined()
  expect(nearest("", known)).toBeUndefined()
  expect(nearest("r".repeat(5000), known)).toBeUndefined()
})
