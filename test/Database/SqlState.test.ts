import { describe, expect, test } from "bun:test"
import { explainVerdict, isKnownKind, judgeCode } from "../../src/Database/SqlState.ts"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { tickError } from "../../src/Engine/SummaryBuilder.ts"

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
    test.each(codes.map((code) => [code]))(`%s is ${reason} for every HTTP status`, (code) => {
      for (const status of [0, 200, 400, 404, 500, 503]) {
        expect<string>(judgeCode(code, status).reason).toBe(reason)
      }
    })
  }

  test.each(["22023", "PGRST301", "PGRST999", "P0001", "42501", "PGRST002", ""])(
    "judges a 401 as a refused key for every code (%s)",
    (code) => {
      expect(judgeCode(code, 401).reason).toBe("Refused")
    }
  )

  test("ignores a status that a function chose (PT401) when it judges the key", () => {
    expect(judgeCode("PT401", 401).reason).toBe("Rejected")
  })

  const recovery = "cannot set transaction read-write mode during recovery"
  test.each([
    ["25006", 405, "cannot execute INSERT in a read-only transaction", "NotExecuted", true],
    [
      "25006",
      0,
      "cannot execute SELECT FOR UPDATE in a read-only transaction",
      "NotExecuted",
      true
    ],
    ["0A000", 400, recovery, "NotExecuted", true],
    ["0A000", 400, "INSERT is not allowed in a non-volatile function", "Rejected", false]
  ] as const)("%s with %d: %s", (code, status, message, reason, isReadOnly) => {
    const verdict = judgeCode(code, status, message)
    expect(verdict.reason).toBe(reason)
    const error = tickError(
      new SupabaseError({ operation: "open_sync_tick", code, detail: verdict.why, reason })
    )
    expect(error.code === "DATABASE_READ_ONLY").toBe(isReadOnly)
  })

  test("judges an empty code with 400 as Ambiguous: the server process might have died after the commit", () => {
    expect(judgeCode("", 400, "").reason).toBe("Ambiguous")
  })

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
  ] as const)("judges status %d without a database code as %s", (status, reason) => {
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
  ])("adds the fix to a missing object (%s), once", (code, cure) => {
    const { reason, why } = judgeCode(code, 404)
    const { hint, message } = tickError(
      new SupabaseError({ operation: "open_sync_tick", reason, code, detail: why })
    )
    expect(reason).toBe("Missing")
    expect(hint).toContain(cure)
    expect(message).not.toContain("pply the migrations")
  })

  test("knows only codes of defined kinds", () => {
    expect(["42501", "PT409", "PGRST202", "XX000"].every(isKnownKind)).toBe(true)
    expect(["", "SUP", "401", "5xx", "EPIPE", "ERROR", "unauthorized"].some(isKnownKind)).toBe(
      false
    )
  })
})

test("details about a failing row are hidden, and other details are shown", () => {
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
