import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { databaseError } from "../../src/Cli/Database.ts"
import { configError, connectionError, scheduleError, usageError } from "../../src/Cli/Failure.ts"
import { withLogging } from "../../src/Cli/Log.ts"
import { noStyle } from "../../src/Cli/Style.ts"
import { ConfigError } from "../../src/Config/Load.ts"
import { ScheduleError, SupabaseError } from "../../src/Domain/Errors.ts"
import { tickError } from "../../src/Engine/SummaryBuilder.ts"

describe("every failure has a code, a message, a hint and an exit code", () => {
  test("usage errors and invalid schedules exit with 2", () => {
    expect(usageError("what", "fix")).toMatchObject({
      exit: 2,
      errors: [{ code: "USAGE", message: "what", hint: "fix" }],
      message: "what"
    })
    const schedule = new ScheduleError({
      reason: "Expression",
      expression: "x",
      timezone: "UTC",
      detail: "what",
      hint: "fix"
    })
    expect(scheduleError(schedule)).toMatchObject({ exit: 2, errors: [{ message: "what" }] })
  })

  test("settings report all problems together, with exit 2", () => {
    const problem = { key: "K", what: "K is missing", why: "it is needed", fix: "Set K." }
    const error = new ConfigError({ problems: [problem, problem] })
    expect(error.message).toContain("K is missing: it is needed")
    expect(configError(error).errors).toEqual([
      { code: "CONFIGURATION", message: "K is missing: it is needed", hint: "Set K." },
      { code: "CONFIGURATION", message: "K is missing: it is needed", hint: "Set K." }
    ])
    expect(configError(new ConfigError({ problems: [] })).errors).toHaveLength(1)
  })

  test.each([
    ["Rejected", 2],
    ["Refused", 4],
    ["Missing", 2],
    ["NotExecuted", 5],
    ["Ambiguous", 5]
  ] as const)("a database that cannot be opened, %s, exits with %d", (reason, exit) => {
    const error = new SupabaseError({ operation: "open", reason, code: "c", detail: "locked by 7" })
    expect(connectionError(error)).toMatchObject({ exit })
    expect(JSON.stringify(connectionError(error).errors)).toContain("locked by 7")
  })
})

test("the message of a failed call is a plain sentence; its name, class and code are details", () => {
  const failed = (
    reason: SupabaseError["reason"],
    code: string,
    detail: string,
    operation = "read_sync_status"
  ) => databaseError(new SupabaseError({ operation, reason, code, detail }))
  expect(
    failed("Missing", "42883", "function public.read_sync_status() does not exist")
  ).toMatchObject({
    exit: 2,
    errors: [
      {
        message: "This database lacks the scheduler's tables, or has those of another version",
        hint: expect.stringContaining("sync-scheduler init"),
        detail:
          "read_sync_status: function public.read_sync_status() does not exist (Missing, 42883)"
      }
    ]
  })
  const away = failed(
    "NotExecuted",
    "ERR_POSTGRES_CONNECTION_REFUSED",
    "could not connect to 127.0.0.1:5999"
  )
  expect(away).toMatchObject({ exit: 5 })
  expect(away.message).toBe(
    "Supabase or the database does not answer: could not connect to 127.0.0.1:5999"
  )
  // The hint must not promise a retry by the next tick, because a script or a person may have run the command.
  for (const reason of ["NotExecuted", "Ambiguous"] as const) {
    const { hint } = tickError(
      new SupabaseError({ operation: "x", reason, code: "c", detail: "d" })
    )
    expect(hint).not.toContain("next tick")
  }
  const denied = failed(
    "Refused",
    "42501",
    "the role of the key lacks a grant: permission denied for function read_sync_status"
  )
  expect(denied.message).toBe(
    "The role of the key lacks a grant: permission denied for function read_sync_status"
  )
  expect(denied.errors[0].hint).toContain("grant execute on all functions in schema public")
  const held = failed(
    "Rejected",
    "locked",
    "Another sync-scheduler (process 7) is using this demo directory: /d",
    "open"
  )
  expect(held).toMatchObject({
    exit: 2,
    errors: [
      {
        message: "Another sync-scheduler (process 7) is using this demo directory: /d",
        hint: expect.stringContaining("or choose another directory.")
      }
    ]
  })
  expect(failed("Rejected", "P0001", "x".repeat(9_000), "migrate")).toMatchObject({
    exit: 2,
    message: "Another version of sync-scheduler created this demo directory"
  })
})

describe("the log formats", () => {
  const logged = async (logFormat: "text" | "json", logLevel: "info" | "none" = "info") => {
    const lines: Array<string> = []
    const program = Effect.logWarning("slow\u001b[2J", { ms: 5 }).pipe(
      Effect.zipRight(Effect.logDebug("hidden")),
      Effect.annotateLogs("run", "r1"),
      Effect.withLogSpan("tick"),
      withLogging({ logFormat, logLevel }, noStyle, (line) => lines.push(line))
    )
    await Effect.runPromise(program)
    return lines
  }

  test("text logs are one line each, without control characters", async () => {
    const lines = await logged("text")
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z warning run=r1 slow \{"ms":5\}$/)
  })

  test("JSON logs are one object per line", async () => {
    const [line = ""] = await logged("json")
    expect(JSON.parse(line)).toMatchObject({
      level: "warning",
      message: 'slow\u001b[2J {"ms":5}',
      run: "r1",
      spans: { tick: expect.any(Number) }
    })
  })

  test("the level none logs nothing", async () => {
    expect(await logged("text", "none")).toEqual([])
  })
})
