import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { configError, connectionError, scheduleError, usageError } from "../../src/Cli/Failure.ts"
import { logging } from "../../src/Cli/Log.ts"
import { noStyle } from "../../src/Cli/Style.ts"
import { ConfigError } from "../../src/Config/Load.ts"
import { ScheduleError, SupabaseError } from "../../src/Domain/Errors.ts"

describe("every failure becomes code, message, hint and an exit code", () => {
  test("usage and schedules: exit 2", () => {
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

  test("settings: all problems at once, exit 2, and never none", () => {
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
  ] as const)("a database that cannot be opened, %s: exit %d", (reason, exit) => {
    const error = new SupabaseError({ operation: "open", reason, code: "c", detail: "locked by 7" })
    expect(connectionError(error)).toMatchObject({ exit })
    expect(connectionError(error).message).toContain("locked by 7")
  })
})

describe("logs", () => {
  const logged = async (logFormat: "text" | "json", logLevel: "info" | "none" = "info") => {
    const lines: Array<string> = []
    const program = Effect.logWarning("slow\u001b[2J", { ms: 5 }).pipe(
      Effect.zipRight(Effect.logDebug("hidden")),
      Effect.annotateLogs("run", "r1"),
      Effect.withLogSpan("tick"),
      Effect.provide(logging({ logFormat, logLevel }, noStyle, (line) => lines.push(line)))
    )
    await Effect.runPromise(program)
    return lines
  }

  test("text is one line for people, without control characters", async () => {
    const lines = await logged("text")
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z warning slow \{"ms":5\} run=r1$/)
  })

  test("json is one object for each line", async () => {
    const [line = ""] = await logged("json")
    expect(JSON.parse(line)).toMatchObject({
      level: "warning",
      message: 'slow\u001b[2J {"ms":5}',
      run: "r1",
      spans: { tick: expect.any(Number) }
    })
  })

  test("none is nothing", async () => {
    expect(await logged("text", "none")).toEqual([])
  })
})
