import { describe, expect, test } from "bun:test"
import { exitOf } from "../../src/Cli/Failure.ts"
import { errorLines, reportLines, showInstant } from "../../src/Cli/Report.ts"
import { noStyle, safe, styleFor } from "../../src/Cli/Style.ts"
import { renderTable } from "../../src/Cli/Table.ts"
import type { RunReport, Summary } from "../../src/Domain/Summary.ts"

const AT = Date.UTC(2026, 10, 24, 2, 0, 0)
const report = (one: Partial<RunReport> = {}): RunReport => ({
  run_id: "00000000-0000-4000-8000-000000000000",
  org_id: "a0000000-0000-4000-8000-000000000000",
  integration_id: "b0000000-0000-4000-8000-000000000000",
  integration_type: "xledger",
  scheduled_for: AT,
  trigger: "schedule",
  attempt: 1,
  status: "completed",
  drift_ms: 1_250,
  duration_ms: 41_000,
  cold_start: false,
  http_status: 200,
  ...one
})
const summary = (one: Partial<Summary> = {}): Summary => ({
  ok: true,
  tick_id: "t",
  engine_id: "e",
  started_at: AT,
  finished_at: AT + 1_900,
  duration_ms: 1_900,
  due: 0,
  triggered: 0,
  completed: 0,
  failed: 0,
  skipped: 0,
  unresolved: 0,
  rescued: 0,
  missed: 0,
  cold_starts: 0,
  drift: { max_ms: 0, over_threshold: 0 },
  runs: [],
  runs_truncated: false,
  skips: [],
  errors: [],
  ...one
})
const lines = (one: Partial<Summary>, width: number | null = null) =>
  reportLines(summary(one), { zone: "UTC", names: new Map() }, { style: noStyle, width })

describe("the table of a tick", () => {
  test("is one line when nothing is due", () => {
    expect(lines({})).toEqual(["✓ Nothing is due."])
    const errors = [{ code: "KEY_REFUSED", message: "no", hint: "yes" }]
    expect(lines({ errors })).toEqual(["✗ Nothing was triggered."])
    expect(errorLines(errors, { verbose: false })).toEqual(["error: no [KEY_REFUSED]\n  fix: yes"])
  })

  test("shows a word and a symbol for every status, and due times with their zone", () => {
    const failure = { code: "TOKEN", message: "token expired" }
    const runs = [
      report({ status: "failed", error: failure }),
      report({ status: "unknown", error: { code: "TIMEOUT", message: "no answer" } }),
      report({ status: "pending", error: { ...failure, retry_at: AT + 5_000 } }),
      report({ status: "running", http_status: 202 }),
      report()
    ]
    const skips = [
      { org_id: "c", integration_id: "d", scheduled_for: AT, reason: "locked" },
      { org_id: "c", integration_id: "d", scheduled_for: null, reason: "something_new" }
    ]
    const text = lines({
      due: 7,
      triggered: 5,
      completed: 1,
      failed: 1,
      unresolved: 3,
      skipped: 2,
      missed: 4,
      rescued: 1,
      cold_starts: 1,
      drift: { max_ms: 400_000, over_threshold: 1 },
      runs,
      skips
    })
    for (const word of ["✗ failed", "? unknown", "↻ retrying", "… accepted", "✓ completed"]) {
      expect(text.some((line) => line.startsWith(word))).toBe(true)
    }
    expect(text[1]).toMatch(/a0000000 +xledger +02:00 +1\.3 s +41\.0 s +TOKEN, "token expired"/)
    expect(text[3]).toContain("retries at 2026-11-24 02:00:05 UTC")
    expect(text[6]).toContain("another engine is claiming it")
    expect(text[7]).toContain("something_new")
    expect(text.at(-1)).toBe(
      "✗ 7 due: 1 completed, 1 failed, 3 unresolved, 2 skipped, 4 older runs skipped, 1 taken over, 1 cold starts, 1 started late, in 1.9 s"
    )
  })

  test("shortens ids only while they stay distinct, and numbers types only when one occurs twice", () => {
    const twin = report({ integration_id: "b0000000-0000-4000-8000-000000000001" })
    const far = report({ integration_id: "c0000000-0000-4000-8000-000000000001" })
    expect(lines({ due: 1, runs: [report()] })[1]).not.toContain("b0000000")
    expect(lines({ due: 2, runs: [report(), far] })[1]).toContain("xledger b0000000 ")
    expect(lines({ due: 2, runs: [report(), twin] })[1]).toContain(twin.integration_id.slice(0, 35))
  })

  test("shows a long reason in full below its row on a narrow terminal", () => {
    const message = "Xledger answered 401: token expired, sign in again ".repeat(4).trim()
    const runs = [report({ status: "failed", error: { code: "TOKEN", message } })]
    const text = lines({ due: 1, failed: 1, runs }, 72)
    expect(text.filter((line) => line.length > 72)).toEqual([])
    expect(
      text
        .slice(2, -2)
        .map((line) => line.trim())
        .join(" ")
    ).toBe(`TOKEN, "${message}"`)
    expect(text[0]).toContain("DUE (UTC)")
    expect(text[1]).not.toContain("2026")
    expect(lines({ due: 1, runs_truncated: true, runs }).join("\n")).toContain("-o jsonl")
  })

  test("contains no control sequence from an integration's text", () => {
    const message = "a\u001b[2J\u001b]0;title\u0007b\r\nc\u202ed"
    const runs = [report({ status: "failed", error: { code: "X", message } })]
    expect(lines({ due: 1, runs })[1]).toEndWith('X, "ab c d"')
    expect(safe("plain ✓")).toBe("plain ✓")
  })
})

describe("the columns of a table", () => {
  test("are aligned despite wide characters", () => {
    const rows = [
      [{ text: "東京" }, { text: "1" }, { text: "x" }],
      [{ text: "ab" }, { text: "100" }, { text: "y" }]
    ]
    const columns = [{ title: "A" }, { title: "B", align: "right" }, { title: "C" }] as const
    expect(renderTable(columns, rows, noStyle, null)).toEqual([
      "A       B  C",
      "東京    1  x",
      "ab    100  y"
    ])
  })
})

describe("colours", () => {
  test("appear only on a terminal that supports them, and never when NO_COLOR is set", () => {
    expect(styleFor(true, {}).red("x")).toBe("\u001b[31mx\u001b[39m")
    expect(styleFor(true, { NO_COLOR: "" }).red("x")).toBe("\u001b[31mx\u001b[39m")
    expect(styleFor(true, { NO_COLOR: "0" }).red("x")).toBe("x")
    expect(styleFor(true, { TERM: "dumb" }).red("x")).toBe("x")
    expect(styleFor(false, {}).red("x")).toBe("x")
  })
})

test("showInstant shows seconds only if they are not zero, and the date only if it is not today's", () => {
  expect(showInstant(AT)).toBe("2026-11-24 02:00 UTC")
  expect(showInstant(AT + 61_500, AT)).toBe("02:01:01 UTC")
  expect(showInstant(AT, AT + 86_400_000)).toBe("2026-11-24 02:00 UTC")
})

describe("the exit code of a tick", () => {
  const none = { triggered: 1, failed: 0, runs: [{ status: "completed" }] } as const
  const ended = (status: "running" | "pending" | "unknown") => ({ ...none, runs: [{ status }] })
  const codes = (...names: ReadonlyArray<string>) =>
    names.map((code) => ({ code, message: "", hint: "" }))
  test.each([
    [0, codes(), none],
    [3, codes(), { ...none, failed: 1 }],
    [3, codes(), ended("unknown")],
    [0, codes(), ended("running")],
    [3, codes(), ended("pending")],
    [3, codes("SCHEDULE_INVALID"), none],
    [4, codes("SCHEDULE_INVALID", "KEY_REFUSED"), { ...none, failed: 1 }],
    [5, codes("SUPABASE_UNREACHABLE"), none],
    [2, codes("MIGRATIONS_MISSING"), none],
    [1, codes("SUPABASE_UNREACHABLE", "ENGINE_DEFECT"), none],
    [3, codes("UNEXPECTED_ANSWER"), none],
    [2, codes("UNEXPECTED_ANSWER"), { ...none, triggered: 0 }]
  ] as const)("is %d", (exit, errors, counts) => {
    expect(exitOf(errors, counts)).toBe(exit)
  })
})
