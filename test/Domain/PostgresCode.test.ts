import { describe, expect, test } from "bun:test"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { explainVerdict, isKnownKind, judgeCode } from "../../src/Domain/PostgresCode.ts"
import { tickError } from "../../src/Domain/Tally.ts"

const table: Readonly<Record<string, ReadonlyArray<string>>> = {
  NotExecuted: [
    ...["PGRST000", "PGRST002", "PGRST003", "08001", "08004", "25006", "26000", "57P03", "55000"],
    ...["40001", "40P01", "55P03", "57014", "53000", "53100", "53200", "53300", "53400"]
  ],
  Ambiguous: [
    ...["PGRST001", "PGRSTX00", "08000", "08003", "08006", "08P01", "40003"],
    ...["57P01", "57P02", "57P04", "57P05", "58030", "XX000", "25P03", "25P04"]
  ],
  Refused: ["42501", "PGRST300", "PGRST301", "PGRST302", "PGRST303", "28000", "28P01"],
  Missing: ["PGRST106", "PGRST202", "PGRST204", "PGRST205", "42883", "42P01", "3F000", "3D000"],
  Rejected: ["P0001", "22023", "22P02", "23505", "23514", "42601", "PT409", "PGRST203", "PGRST102"]
}

describe("judgeCode", () => {
  for (const [reason, codes] of Object.entries(table)) {
    test.each(codes.map((code) => [code]))(`%s is ${reason}, whatever the status`, (code) => {
      for (const status of [0, 200, 400, 401, 404, 500, 503]) {
        expect<string>(judgeCode(code, status).reason).toBe(reason)
      }
    })
  }

  test.each([
    [401, "Refused"],
    [402, "Refused"],
    [403, "Refused"],
    [404, "Malformed"],
    [413, "Rejected"],
    [425, "NotExecuted"],
    [429, "NotExecuted"],
    [540, "NotExecuted"],
    ...[0, 200, 300, 400, 408, 500, 502, 503, 504, 520, 522, 544].map(
      (status) => [status, "Ambiguous"] as const
    )
  ] as const)("without a code of the database, status %d is %s", (status, reason) => {
    for (const code of ["", "SUP", "503", "unauthorized", "bad_jwt"]) {
      expect(judgeCode(code, status).reason).toBe(reason)
    }
  })

  test.each([
    ...["PGRST202", "PGRST205", "42883", "42P01", "3F000"].map((code) => [
      code,
      "supabase db push"
    ]),
    ["3D000", "SUPABASE_DB_URL"],
    ["PGRST106", "Data API"]
  ])("what is missing (%s) comes with its cure, once", (code, cure) => {
    const { reason, why } = judgeCode(code, 404)
    const { hint, message } = tickError(
      new SupabaseError({ operation: "open_sync_tick", reason, code, detail: why })
    )
    expect(reason).toBe("Missing")
    expect(hint).toContain(cure)
    expect(message).not.toContain("pply the migrations")
  })

  test("knows its own kinds of code", () => {
    expect(["42501", "PT409", "PGRST202", "XX000"].every(isKnownKind)).toBe(true)
    expect(["", "SUP", "401", "5xx", "EPIPE", "ERROR", "unauthorized"].some(isKnownKind)).toBe(
      false
    )
  })
})

test("a failing row is never repeated, other details are", () => {
  const verdict = judgeCode("23514", 400)
  const words = { message: "violates check", hint: "look" }
  expect(explainVerdict(verdict, { ...words, detail: "Failing row contains (secret)." })).toBe(
    "the database refused this call: violates check. look"
  )
  expect(explainVerdict(verdict, { ...words, detail: "Key (id)=(1) exists." })).toContain(
    "Key (id)"
  )
  expect(explainVerdict(verdict, { message: " ", detail: null })).toContain("no text")
})
