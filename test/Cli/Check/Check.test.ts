import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { HOSTILE_NAME, seedFixture } from "../../support/OperatorFixture.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  await seedFixture(project.sql)
}, 120_000)
afterAll(() => project.close())

const check = (args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) =>
  runBinary(["check", ...args], { env: { ...project.environment, ...env } })

/** Splits the output as Nagios does, into the text and the performance data. */
const read = (stdout: string) => {
  const [text = "", data = "", ...more] = stdout.trimEnd().split(" | ")
  expect([more, stdout.trimEnd().includes("\n")]).toEqual([[], false])
  const figures = data.split(" ").map((one) => {
    const parsed = /^(\w+)=(\d+s?|U);(\d*);(\d*);0$/.exec(one)
    expect([one, parsed === null]).toEqual([one, false])
    return [parsed?.[1], parsed?.slice(2)] as const
  })
  return { text, figures: new Map(figures) }
}

test("check is critical when a slot is overdue by more than ten minutes, and prints every figure", async () => {
  const { code, stderr, stdout } = await check()
  const { figures, text } = read(stdout)
  expect(text).toBe(
    "SYNC CRITICAL - 1 overdue (Globex netsuite for 12 m), 1 misconfigured (hubspot), " +
      "1 unknown (fortnox: IDLE_TIMEOUT), 2 failing (quickbooks: THROTTLED, xero: UNAUTHORIZED), 1 retrying (visma: BOOT_ERROR), 1 late"
  )
  expect(figures.get("oldest_overdue")).toEqual(["724s", "300", "600"])
  expect(figures.get("tick_age")).toEqual(["2s", "180", "300"])
  expect(figures.get("overdue")).toEqual(["1", "", ""])
  expect(figures.get("troubled")).toEqual(["4", "1", ""])
  expect(figures.get("integrations")).toEqual(["16", "", ""])
  expect({ stderr, code }).toEqual({ stderr: "", code: 2 })
})

test("higher thresholds turn the result into a warning, then into OK, over a direct connection too", async () => {
  const direct = { SUPABASE_DB_URL: project.database.url }
  for (const env of [{}, direct]) {
    const warning = await check(["--overdue", "10m,1h", "--failing", "99", "--retrying", "2,"], env)
    expect(warning.stdout).toStartWith(
      "SYNC WARNING - 1 overdue (Globex netsuite for 12 m), 1 late | "
    )
    expect(warning.code).toBe(1)
    const fine = await check(["--overdue", "1h", "--failing", "5,9", "--retrying", "2,"], env)
    expect(fine.stdout).toStartWith("SYNC OK - ")
    expect(fine.stdout).toContain("last tick 4 s ago")
    expect(fine.code).toBe(0)
  }
})

test("check is critical when ticks have stopped, and a hostile name does not break the output line", async () => {
  await project.sql`update organization_integrations set org_name = ${`a|b ${HOSTILE_NAME}`} where org_name = 'Globex'`
  const { code, stdout } = await check(["--tick-age", "1s,2s"])
  expect(read(stdout).text).toContain("SYNC CRITICAL - no tick for 2 s, 1 overdue (a/b <script>")
  expect(stdout).not.toContain("\u001b")
  expect(code).toBe(2)
  await project.sql`update organization_integrations set org_name = 'Globex' where org_name like 'a|b%'`
})

test("missing settings, a refused key, an unreachable server and an invalid flag are unknown: exit 3", async () => {
  const none = await runBinary(["check"], { env: {} })
  expect(none.stdout).toStartWith("SYNC UNKNOWN - SUPABASE_URL is missing")
  const refused = await check([], { SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}` })
  expect(refused.stdout).toStartWith("SYNC UNKNOWN - ")
  const gone = await check([], { SUPABASE_DB_URL: "postgresql://x:y@127.0.0.1:1/z" })
  expect(gone.stdout).toStartWith("SYNC UNKNOWN - ")
  const wrong = await check(["--overdue", "5"])
  expect(wrong.stdout).toContain("a duration needs a unit")
  const flag = await check(["--overdeu", "5m"])
  expect(flag.stderr).toContain("Did you mean --overdue?")
  expect([none, refused, gone, wrong, flag].map(({ code }) => code)).toEqual([3, 3, 3, 3, 3])
})

test("check prints JSON", async () => {
  const { code, stdout } = await check(["-o", "json"])
  expect(JSON.parse(stdout)).toMatchObject({
    level: "CRITICAL",
    figures: expect.arrayContaining([
      { name: "oldest_overdue", value: 724, unit: "s", warning: 300, critical: 600 }
    ])
  })
  expect(code).toBe(2)
})
