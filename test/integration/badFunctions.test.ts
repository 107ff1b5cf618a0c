import { afterAll, beforeAll, expect, test } from "bun:test"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"

let project: Project
beforeAll(async () => {
  project = await startProject()
})
afterAll(() => project.close())

const cases: Readonly<
  Record<string, readonly [Behaviour.Behaviour, status: string, code: string | null]>
> = {
  fine: [Behaviour.ok(), "completed", null],
  missing: [Behaviour.platformError("NOT_FOUND"), "failed", "FUNCTION_NOT_FOUND"],
  "key refused": [
    Behaviour.platformError("UNAUTHORIZED_INVALID_JWT_FORMAT"),
    "failed",
    "FUNCTION_KEY_REFUSED"
  ],
  "answers HTML": [Behaviour.html(200), "unknown", "UNREADABLE_ANSWER"],
  "gateway HTML": [Behaviour.html(502), "unknown", "HTTP_502"],
  "10 MB": [Behaviour.megabytes(10), "unknown", "UNREADABLE_ANSWER"],
  "nothing for ever": [Behaviour.hang(), "unknown", "TIMED_OUT"],
  "a drip for ever": [Behaviour.drip(), "unknown", "TIMED_OUT"],
  "a redirect": [Behaviour.redirect("http://127.0.0.1:9/steal"), "failed", "REDIRECT_REFUSED"],
  "invalid JSON": [Behaviour.invalidJson(), "unknown", "UNREADABLE_ANSWER"],
  "success: false": [Behaviour.unsuccessful(), "failed", "LEDGER_CLOSED"],
  "a falsy error": [Behaviour.ok({ success: true, error: false }), "completed", null],
  "an empty error": [Behaviour.ok({ rows: 3, error: "" }), "completed", null],
  "success and an error": [
    Behaviour.ok({ success: true, error: "no receipt" }),
    "unknown",
    "UNCLEAR_ANSWER"
  ],
  "GraphQL in part": [
    Behaviour.ok({ errors: [{ message: "no" }], data: { createInvoice: null } }),
    "unknown",
    "UNCLEAR_ANSWER"
  ],
  "JSend error": [Behaviour.ok({ status: "error", message: "no" }), "failed", "FUNCTION_FAILED"],
  "done already, says 409": [
    Behaviour.status(409, { executed: true, success: true }),
    "unknown",
    "UNCLEAR_ANSWER"
  ],
  "its own 500": [Behaviour.ownError(), "failed", "LEDGER_CLOSED"],
  "reset before an answer": [Behaviour.reset(), "unknown", "CONNECTION_LOST"],
  "reset halfway": [Behaviour.resetHalfway(), "unknown", "CONNECTION_LOST"],
  "504 of the platform": [Behaviour.platformError("IDLE_TIMEOUT"), "unknown", "IDLE_TIMEOUT"],
  "546 of the platform": [Behaviour.platformError("WORKER_LIMIT"), "unknown", "WORKER_LIMIT"],
  "503 before it booted": [Behaviour.platformError("BOOT_ERROR"), "pending", "BOOT_ERROR"],
  "429 of the platform": [
    Behaviour.platformError("RATE_LIMIT_EXCEEDED"),
    "pending",
    "RATE_LIMIT_EXCEEDED"
  ],
  "the fence refused": [Behaviour.notExecuted(), "pending", "FUNCTION_REFUSED"],
  accepted: [Behaviour.accepted(), "running", null],
  "text that jsonb cannot store": [
    Behaviour.ok({ success: true, note: "a\u0000b\ud800" }),
    "completed",
    null
  ]
}

test("every kind of bad response affects only its own run", async () => {
  for (const name of Object.keys(cases)) {
    await project.seedDue(1, { integration_type: `'${name}'` })
  }
  project.functions.behave((body) => cases[String(body.integration_type)]?.[0] ?? Behaviour.ok())
  const summary = await project.tick("supabase-js", { invokeTimeoutMs: 1_500, concurrency: 10 })

  const rows =
    await project.sql`select integration_type, status, error_code, not_before, lease_until
                                 from sync_run_log`
  const seen = Object.fromEntries(
    rows.map((row: { integration_type: string; status: string; error_code: string | null }) => [
      row.integration_type,
      [row.status, row.error_code]
    ])
  )
  const wanted = Object.fromEntries(
    Object.entries(cases).map(([name, [, status, code]]) => [name, [status, code]])
  )
  expect(seen).toEqual(wanted)
  expect(summary).toMatchObject({ triggered: rows.length, completed: 4, failed: 6, errors: [] })
  for (const run of summary.runs) {
    expect(run.error?.code ?? null).toBe(cases[run.integration_type]?.[2] ?? null)
  }
  for (const row of rows) {
    if (row.status === "unknown" || row.status === "pending") expect(row.not_before).not.toBeNull()
  }
  const accepted = rows.find(
    (row: { integration_type: string }) => row.integration_type === "accepted"
  )
  expect(accepted.lease_until.getTime() - Date.now()).toBeGreaterThan(29 * 60_000)
}, 60_000)
