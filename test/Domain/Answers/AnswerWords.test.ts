import { describe, expect, it } from "bun:test"
import { readWords } from "../../../src/Domain/Answers/AnswerWords.ts"

const says = (value: unknown) => readWords(value).says

describe("the JSON of a response", () => {
  it.each([
    { success: true },
    { success: true, error: false },
    { success: true, error: "", errors: [] },
    { success: true, error: "null", errorMessage: " " },
    { success: true, error: 0 },
    { Success: true, Error: {} },
    { ok: true },
    { status: "success", data: { post: 1 } },
    { status: "OK" },
    { status: true },
    { status: 201, statusText: "Created", error: null, data: null },
    { statusCode: 200, body: "{}" },
    { success: true, errors: 0 },
    { success: true, status: "skipped" },
    { success: true, result: { status: "rejected" } },
    { success: true, results: [{ error: "row 3 is a duplicate" }] },
    { success: true, vendor: { status: 429, body: { error: "slow down" } } }
  ])("reports success: %j", (value) => {
    expect(says(value)).toBe("success")
  })

  it.each([
    { success: false },
    { success: "false" },
    { ok: false },
    { executed: false },
    { error: "no" },
    { error: true },
    { error: { code: "X" } },
    { error: ["a", "b"] },
    { ErrorMessage: "no" },
    { status: "failed" },
    { status: "error", message: "no" },
    { status: "fail", data: { title: "missing" } },
    { status: "Failure" },
    { status: false, message: "no" },
    { status: 422, title: "no", type: "about:blank" },
    { statusCode: 404, message: "no" },
    { errors: [{ message: "no" }] },
    { errors: { name: ["is missing"] } },
    { success: false, errors: ["no"], data: { rows: 3 } },
    { success: false, statusCode: 500 },
    { success: false, result: { ok: true } },
    "failed"
  ])("reports failure: %j", (value) => {
    expect(says(value)).toBe("failure")
  })

  it.each([
    { success: true, error: "no" },
    { ok: true, success: false },
    { status: "success", errors: ["no"] },
    { statusCode: 200, error: "no" },
    { success: true, statusCode: 500 },
    { statusCode: 500, message: "Internal server error" },
    { type: "about:blank", title: "no", status: 503 },
    { errors: [{ message: "no" }], data: { createInvoice: null } },
    { errors: [{ message: "no" }], data: null },
    { executed: true, error: "no" },
    { success: true, status: "partial" },
    { status: "in_progress" },
    { status: "timed out" },
    { outcome: "unknown" },
    { result: { success: false } },
    { data: { result: { error: "no" } } },
    { success: true, result: { success: false } },
    { data: { status: "failed" } },
    { results: [{ status: "ok" }, { status: "failed" }] },
    [[{ status: "fulfilled" }, { status: "rejected" }]]
  ])("is unclear: %j", (value) => {
    expect(says(value)).toBe("unclear")
  })

  it.each([
    null,
    7,
    false,
    "done by hand",
    {},
    [[]],
    { rows: 3 },
    { status: "open" },
    { status: 3 },
    { error: null },
    { error: "" },
    { data: { rows: [] } },
    { message: "error" }
  ])("reports nothing: %j", (value) => {
    expect(says(value)).toBe("nothing")
  })

  it("contributes the names of a few fields at most", () => {
    expect(readWords({ success: true, data: { result: { error: "no" } } }).because).toBe(
      '"success" says done, "data.result.error" is unclear'
    )
    const rows = Array.from({ length: 50 }, () => ({ ok: false }))
    expect(readWords(rows).because.split(", ")).toHaveLength(5)
  })

  it("can have any depth and width", () => {
    let deep: unknown = { success: false }
    for (let i = 0; i < 10_000; i++) deep = { data: deep }
    expect(says(deep)).toBe("nothing")
    expect(says(Array.from({ length: 100_000 }, () => ({ rows: 1 })))).toBe("nothing")
  })
})
