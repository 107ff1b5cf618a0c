import { describe, expect, test } from "bun:test"
import { Either, Redacted } from "effect"
import { inspect, loadProject } from "../src/Config/Load.ts"
import { credentialName, type Sources } from "../src/Config/Source.ts"
import { defaultEngineSettings, engineSettings, table } from "../src/Config.ts"

const sourcesOf = (
  environment: Record<string, string>,
  files: Record<string, string> = {},
  flags: Record<string, string> = {}
): Sources => ({
  environment,
  flags,
  readFile: (path) =>
    path.includes("locked") ? Either.left("EACCES") : Either.right(files[path] ?? null)
})

const complete = {
  SUPABASE_URL: "https://abc.supabase.co",
  SUPABASE_SECRET_KEY: "sb_secret_0123456789"
}

const jwt = (role: string): string =>
  `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(JSON.stringify({ role })).toString("base64url")}.c2ln`

const problemsOf = (environment: Record<string, string>) => {
  const loaded = loadProject(sourcesOf(environment))
  return Either.isLeft(loaded) ? loaded.left.problems : []
}

describe("the settings of a project", () => {
  test("need only two values", () => {
    const project = Either.getOrThrow(loadProject(sourcesOf(complete)))
    expect(project.database._tag).toBe("Api")
    expect(project.functions.url).toBe("https://abc.supabase.co/functions/v1/integration-sync")
    expect(Redacted.value(project.functions.key)).toBe(complete.SUPABASE_SECRET_KEY)
    expect(engineSettings(project.settings, "me")).toEqual({
      ...defaultEngineSettings,
      engineId: "me"
    })
  })

  test("have the defaults that the settings page documents", () => {
    expect(defaultEngineSettings).toEqual({
      concurrency: 5,
      invokeTimeoutMs: 155_000,
      leaseMarginMs: 60_000,
      runningGuardMs: 1_800_000,
      quiescenceMs: 430_000,
      adoptAfterMs: 10_000,
      retryBaseMs: 5_000,
      retryCapMs: 900_000,
      driftAlertMs: 300_000,
      catchUpWindowMs: 86_400_000,
      databaseWaitMs: 45_000
    })
  })

  test("limit a tick's wait for the database to the interval", () => {
    const waitWith = (interval: string) => {
      const sources = sourcesOf({ ...complete, SYNC_SCHEDULER_INTERVAL: interval })
      return engineSettings(Either.getOrThrow(loadProject(sources)).settings, "me").databaseWaitMs
    }
    expect(["10s", "60s", "2m", "1h"].map(waitWith)).toEqual([7_500, 45_000, 90_000, 90_000])
  })

  test("use the project's URL only for functions if SUPABASE_DB_URL is set", () => {
    const direct = {
      SUPABASE_DB_URL: "postgresql://postgres:secret@db.example.com:5432/postgres",
      SUPABASE_SECRET_KEY: complete.SUPABASE_SECRET_KEY
    }
    const missing = problemsOf(direct)
    expect(missing.map(({ key }) => key)).toEqual(["SUPABASE_URL"])
    expect(missing[0]?.fix).toContain("SYNC_SCHEDULER_FUNCTION_URL")
    const project = Either.getOrThrow(
      loadProject(
        sourcesOf({ ...direct, SYNC_SCHEDULER_FUNCTION_URL: "http://127.0.0.1:9000/sync/" })
      )
    )
    expect(project.database._tag).toBe("Direct")
    expect(project.functions.url).toBe("http://127.0.0.1:9000/sync")
  })

  test("accept the legacy service_role key if there is no secret key", () => {
    const project = Either.getOrThrow(
      loadProject(
        sourcesOf({
          SUPABASE_URL: complete.SUPABASE_URL,
          SUPABASE_SERVICE_ROLE_KEY: jwt("service_role")
        })
      )
    )
    expect(Redacted.value(project.functions.key)).toBe(jwt("service_role"))
  })

  test("derive the function's URL from its name", () => {
    const project = Either.getOrThrow(
      loadProject(sourcesOf({ ...complete, SYNC_SCHEDULER_FUNCTION: "export_all" }))
    )
    expect(project.functions.url).toEndWith("/functions/v1/export_all")
  })
})

describe("the precedence of settings", () => {
  const key = table.concurrency.key
  const concurrencyOf = (sources: Sources) => inspect(sources).settings.concurrency

  test("is flag, credential, file, environment, default", () => {
    const files = {
      "/run/credentials/sync-scheduler-concurrency": "3\n",
      "/etc/concurrency": "4\n"
    }
    const environment: Record<string, string> = {}
    expect(concurrencyOf(sourcesOf(environment, files))).toBe(5)
    environment[key] = "2"
    expect(concurrencyOf(sourcesOf(environment, files))).toBe(2)
    environment[`${key}_FILE`] = "/etc/concurrency"
    expect(concurrencyOf(sourcesOf(environment, files))).toBe(4)
    environment.CREDENTIALS_DIRECTORY = "/run/credentials"
    expect(concurrencyOf(sourcesOf(environment, files))).toBe(3)
    expect(concurrencyOf(sourcesOf(environment, files, { [key]: "9" }))).toBe(9)
  })

  test("finds a credential by the name of its setting", () => {
    expect(credentialName("SUPABASE_SECRET_KEY")).toBe("supabase-secret-key")
  })

  test("ignores an empty value", () => {
    expect(concurrencyOf(sourcesOf({ [key]: " " }))).toBe(5)
  })

  test("reports a file that is missing or cannot be read", () => {
    const missing = inspect(sourcesOf({ SUPABASE_SECRET_KEY_FILE: "/nowhere" })).problems
    expect(missing[0]?.what).toContain("/nowhere")
    const locked = inspect(sourcesOf({ SUPABASE_SECRET_KEY_FILE: "/locked" })).problems
    expect(locked[0]?.what).toContain("EACCES")
  })
})

describe("invalid settings", () => {
  test("are all reported together, each with its reason and a fix", () => {
    const problems = problemsOf({
      SUPABASE_URL: "supabase",
      SYNC_SCHEDULER_CONCURRENCY: "many",
      SYNC_SCHEDULER_INVOKE_TIMEOUT: "155",
      SYNC_SCHEDULER_LEASE_MARGIN: "500ms"
    })
    expect(problems.map(({ key }) => key)).toEqual([
      "SUPABASE_SECRET_KEY",
      "SUPABASE_URL",
      "SYNC_SCHEDULER_CONCURRENCY",
      "SYNC_SCHEDULER_INVOKE_TIMEOUT",
      "SYNC_SCHEDULER_LEASE_MARGIN"
    ])
    for (const problem of problems) {
      expect(problem.what).toContain(problem.key)
      expect(problem.why.length).toBeGreaterThan(10)
      expect(problem.fix.length).toBeGreaterThan(10)
    }
    expect(problems.find(({ key }) => key.endsWith("TIMEOUT"))?.fix).toContain("155s")
  })

  test.each([
    ["SUPABASE_URL", "https://abc.supabase.co/rest/v1", "https://abc.supabase.co"],
    ["SUPABASE_URL", "https://supabase.com/dashboard/project/abc", "https://abc.supabase.co"],
    ["SUPABASE_URL", "postgresql://a:b@c/d", "SUPABASE_DB_URL"],
    ["SUPABASE_URL", "ftp://abc.supabase.co", "https://"],
    ["SUPABASE_URL", '"https://abc.supabase.co"', "quotation marks"],
    ["SUPABASE_SECRET_KEY", jwt("anon"), "sb_secret_"],
    ["SUPABASE_SECRET_KEY", "sb_publishable_abc", "sb_secret_"],
    ["SUPABASE_SECRET_KEY", "two words", "sb_secret_"],
    ["SUPABASE_DB_URL", "https://abc.supabase.co", "postgresql://"],
    ["SUPABASE_DB_URL", "postgresql://postgres:[YOUR-PASSWORD]@db/postgres", "password"],
    ["SUPABASE_DB_URL", "postgresql://u:p@h/d?sslmode=maybe", "postgresql://"],
    ["SYNC_SCHEDULER_FUNCTION", "https://abc/functions/v1/x", "SYNC_SCHEDULER_FUNCTION_URL"],
    ["SYNC_SCHEDULER_FUNCTION_URL", "integration-sync", "https://"],
    ["SYNC_SCHEDULER_CONCURRENCY", "0", "1 to 1000"],
    ["SYNC_SCHEDULER_CONCURRENCY", "1001", "1 to 1000"],
    ["SYNC_SCHEDULER_LISTEN", "8787", "127.0.0.1:8787"],
    ["SYNC_SCHEDULER_ADMIN_TOKEN", "short", "openssl"],
    ["SYNC_SCHEDULER_LOG_LEVEL", "loud", "warning"],
    ["SYNC_SCHEDULER_RETRY_CAP", "1s", "base"]
  ])("include %s=%s, with a fix", (key, value, fix) => {
    const problems = problemsOf({ ...complete, [key]: value })
    expect(problems).toHaveLength(1)
    expect(problems[0]?.key).toBe(key)
    expect(problems[0]?.fix).toContain(fix)
  })

  test("are reported without their secrets", () => {
    const secrets = {
      SUPABASE_SECRET_KEY: `sb_publishable_${"q".repeat(30)}`,
      SUPABASE_DB_URL: `mysql://root:${"q".repeat(30)}@h/d`,
      SYNC_SCHEDULER_ADMIN_TOKEN: "qqqqq qqqqqqqqqqqqqqqqq",
      SYNC_SCHEDULER_PING_URL: "qqqqq"
    }
    const inspection = inspect(sourcesOf(secrets))
    expect(inspection.problems).toHaveLength(4)
    expect(JSON.stringify(inspection.problems)).not.toContain("qqqqq")
    const misplaced = inspect(
      sourcesOf({
        SUPABASE_URL: "postgresql://postgres:qqqqq@db.example.com/postgres",
        SYNC_SCHEDULER_FUNCTION: "sb_secret_qqqqq.qqqqq",
        SYNC_SCHEDULER_FUNCTION_URL: "https://user:qq@qqq@host/"
      })
    )
    expect(misplaced.problems).toHaveLength(3)
    expect(JSON.stringify(misplaced.problems)).not.toContain("qqq")
    const good = inspect(
      sourcesOf({ ...complete, SYNC_SCHEDULER_PING_URL: "https://hc-ping.com/qqqqq" })
    )
    expect(JSON.stringify(good.settings)).not.toContain("qqqqq")
    expect(JSON.stringify(good.settings)).not.toContain(complete.SUPABASE_SECRET_KEY)
  })

  test("include a misspelt variable, as a warning with a suggestion", () => {
    const { problems, warnings } = inspect(
      sourcesOf({ ...complete, SYNC_SCHEDULER_CONCURENCY: "3", SYNC_SCHEDULER_LISTEN_FILE: "" })
    )
    expect(problems).toEqual([])
    expect(warnings).toEqual([
      "SYNC_SCHEDULER_CONCURENCY is not a setting: did you mean SYNC_SCHEDULER_CONCURRENCY?"
    ])
  })

  test("warn about a lease margin shorter than a start can take", () => {
    const { problems, warnings } = inspect(sourcesOf({ SYNC_SCHEDULER_LEASE_MARGIN: "5s" }))
    expect(problems).toEqual([])
    expect(warnings).toEqual([expect.stringContaining("30s")])
  })

  test("include http to another machine, as a warning, but not http to this machine", () => {
    const warningsOf = (url: string) => inspect(sourcesOf({ SUPABASE_URL: url })).warnings
    expect(warningsOf("http://kong:8000")).toHaveLength(1)
    expect(warningsOf("http://localhost:54321")).toEqual([])
    expect(warningsOf("http://127.0.0.1:54321/")).toEqual([])
  })
})
