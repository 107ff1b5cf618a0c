import { expect, test } from "bun:test"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import { type RunFacts, runVerdictOf } from "../../src/Domain/RunVerdict.ts"

const facts: RunFacts = {
  began: true,
  reported: null,
  onUnknown: "retry",
  attempt: 1,
  maxAttempts: 3
}
const error = { httpStatus: 500, code: "X", message: "x" }
const answers: Record<string, Outcome> = {
  completed: { _tag: "Completed", httpStatus: 200, response: null },
  accepted: { _tag: "Accepted", httpStatus: 202, response: null },
  failed: { _tag: "Failed", ...error, response: null },
  refused: { _tag: "NotExecuted", ...error, retryAfterMs: null },
  unknown: { _tag: "Unknown", ...error }
}

test.each([
  ["completed", {}, "completed", false],
  ["accepted", {}, "running", false],
  ["failed", {}, "failed", false],
  // A function that has begun cannot claim that it did nothing.
  ["refused", {}, "unknown", true],
  ["refused", { began: false }, "pending", true],
  ["refused", { began: false, attempt: 3 }, "failed", false],
  ["unknown", {}, "unknown", true],
  ["unknown", { attempt: 3 }, "unknown", false],
  ["unknown", { onUnknown: "hold" }, "unknown", false],
  // The function's own report, sent with its lease token, overrides the response.
  ["unknown", { reported: "completed" }, "completed", false],
  ["accepted", { reported: "failed" }, "failed", false]
] as const)("%s, %j: status %s, retried: %s", (answer, given, status, isRetried) => {
  const outcome = answers[answer]
  if (outcome === undefined) throw new Error(answer)
  expect(runVerdictOf(outcome, { ...facts, ...given })).toMatchObject({ status, isRetried })
})
