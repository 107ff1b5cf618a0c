import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { FIRST_SQL } from "../../src/Server/Pages/FirstSteps.ts"
import { status } from "../support/FunctionBehaviour.ts"
import { connect } from "../support/Postgres.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"
import { open, pageProblems, type Reader, startBrowser } from "./Browser.ts"
import { ADMIN_TOKEN } from "./ServeFixture.ts"

setDefaultTimeout(90_000)

let browser: Browser
let project: Project
let sidecar: Sidecar
const readers: Array<Reader> = []
beforeAll(async () => {
  ;[browser, project] = await Promise.all([startBrowser(), startProject()])
  sidecar = await startSidecar(
    {
      ...project.environment,
      SUPABASE_DB_URL: project.database.url,
      SYNC_SCHEDULER_INTERVAL: "1s",
      SYNC_SCHEDULER_CONCURRENCY: "50",
      SYNC_SCHEDULER_RETRY_BASE: "15m",
      SYNC_SCHEDULER_ADMIN_TOKEN: ADMIN_TOKEN
    },
    ["--allow-actions"]
  )
}, 120_000)
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close()
  await project.sql
    .unsafe(
      "delete from organization_integrations; delete from sync_run_log; truncate sync_run_event; delete from integration_health"
    )
    .simple()
})
afterAll(async () => {
  await browser?.close()
  sidecar?.kill("SIGKILL")
  await project?.close()
}, 60_000)

const read = async (path = "/", options: BrowserContextOptions = {}): Promise<Reader> => {
  const reader = await open(browser, `${sidecar.url}${path}`, {
    timezoneId: "Europe/Oslo",
    ...options
  })
  readers.push(reader)
  return reader
}

/** The first `due` integrations are due now, and the rest in an hour. No later slot is due in the next ten minutes. */
const seed = (count: number, due: number) =>
  project.sql.unsafe(`
    insert into organization_integrations (org_id, org_name, integration_type, sync_schedule, timezone, next_run_at, created_at, schedule_since)
    select gen_random_uuid(), 'Organisation ' || n, (array['xledger', 'dynamics', 'fortnox'])[case when n <= ${due} then 1 else n % 3 + 1 end],
           (n % 40 + extract(minute from now())::int + 10) % 60 || ' * * * *', 'Europe/Oslo', now() + make_interval(mins => case when n <= ${due} then 0 else 60 end),
           now() - interval '90 days', now() - interval '90 days'
      from generate_series(1, ${count}) n`)

const green = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() =>
    [...document.querySelectorAll("main *:not(.legend *)")]
      .filter((element) => {
        const { color, fill, stroke } = getComputedStyle(element)
        return [color, fill, stroke].some((paint) => {
          const [red = 0, green = 0, blue = 0] = (paint.match(/[\d.]+/g) ?? []).map(Number)
          return green > red + 30 && green > blue + 30
        })
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 120))
  )

const refuse = () =>
  project.functions.behave(() => status(409, { executed: false, reason: "not_found" }))

test("with 200 of 1,000 integrations refused, the page reports the facts, and nothing is green", async () => {
  refuse()
  await seed(1_000, 200)
  const { page, problems } = await read()
  await page
    .locator("h1", { hasText: "0 of 1,000 have completed a run yet; 200 are being retried" })
    .waitFor()
  const causes = page.locator(".attention li")
  expect(await causes.count()).toBe(1)
  expect(await causes.textContent()).toMatch(
    /Retrying.*xledger: 200 × FUNCTION_REFUSED.*not_found.*since/s
  )
  expect(await page.locator(".counts").textContent()).toMatch(
    /200Retrying.*800Never ran.*0On time/s
  )
  expect(await page.locator(".figures").textContent()).toMatch(
    /0\.0 %\s*0 of 200 slots completed: 200 retrying/
  )
  expect(await green(page)).toEqual([])
  expect(await pageProblems(page, "retrying")).toEqual([])
  await causes.locator("a").first().click()
  await page
    .locator("#h-all", { hasText: "200 of 1,000 integrations: xledger: 200 × FUNCTION_REFUSED" })
    .waitFor()
  expect(await page.locator("tbody[data-rows] > tr").count()).toBe(100)
  await page.locator(".paging a", { hasText: "Next" }).click()
  await page.locator(".paging", { hasText: "101 to 200 of 200" }).waitFor()
  expect(page.url()).toContain("cause=retrying%2Fxledger%2FFUNCTION_REFUSED")
  expect(await pageProblems(page, "list-of-a-cause")).toEqual([])
  expect(problems).toEqual([])
})

describe("200 failures with one cause", () => {
  const fail = async () => {
    project.functions.behave(() =>
      status(502, {
        error: { code: "TOKEN_EXPIRED", message: "Xledger answered 401: token expired" }
      })
    )
    await seed(240, 200)
  }

  test.each([["mouse"], ["keyboard"]] as const)(
    "share one line with their count and start, and one form retries them all, by %s",
    async (hand) => {
      await fail()
      const { page, problems } = await read("/sign-in")
      await page.locator("#name").fill("Kari Nordmann")
      await page.locator("#token").fill(ADMIN_TOKEN)
      await page.keyboard.press("Enter")
      const line = page.locator(".attention li").first()
      await line.filter({ hasText: "xledger: 200 × TOKEN_EXPIRED" }).waitFor()
      expect(await line.textContent()).toMatch(/"Xledger answered 401: token expired".*since/s)
      expect(await pageProblems(page, "one-cause")).toEqual([])
      project.functions.behave(() => status(200, { ok: true }))
      const opener = line.locator("summary", { hasText: "Retry all 200" })
      if (hand === "mouse") {
        await opener.click()
        await line.getByLabel("Reason").fill("the token is valid again")
        expect(await pageProblems(page, "retry-all")).toEqual([])
        await line.locator("form button").click()
      } else {
        await opener.focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.type("the token is valid again")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
      }
      await page
        .locator(".notice", { hasText: "one more attempt for 200 of 200 failed runs" })
        .waitFor()
      await page.locator("h1", { hasText: "40 never ran, 200 on time" }).waitFor()
      const [{ n }] = await project.sql`
      select count(*)::int as n from sync_run_event
       where kind = 'retried' and actor = 'Kari Nordmann (page)' and reason = 'the token is valid again'`
      expect(n).toBe(200)
      // On a busy machine, the database can respond after the page's timeout.
      expect(problems.filter((one) => !one.includes("status of 503"))).toEqual([])
    }
  )

  test("are shown without a form if there is no token, and a sent form is refused", async () => {
    await fail()
    const { page } = await read()
    await page.locator(".attention li", { hasText: "200 × TOKEN_EXPIRED" }).waitFor()
    expect(await page.locator("main form[method=post]").count()).toBe(0)
    const answer = await page.request.post(`${sidecar.url}/retry-cause`, {
      form: { cause: "failing/xledger/TOKEN_EXPIRED", reason: "because" }
    })
    expect(answer.status()).toBe(403)
    const [{ n }] =
      await project.sql`select count(*)::int as n from sync_run_event where kind = 'retried'`
    expect(n).toBe(0)
  })
})

test("when the database goes away, the last known page appears within a second, dimmed, with its time", async () => {
  project.functions.behave(() => status(200, { ok: true }))
  await seed(3, 2)
  const { page } = await read("/", { javaScriptEnabled: false })
  const org = await read("/")
  await org.page.locator("h1", { hasText: "1 never ran, 2 on time" }).waitFor()
  await org.page.locator("tbody th a").last().click()
  await org.page.waitForURL(/\/org\//)
  const orgUrl = org.page.url()
  await page.goto(sidecar.url)
  const { adminUrl, name } = project.database
  const away = new URL(adminUrl)
  away.pathname = "/postgres"
  const admin = connect(away.toString())
  try {
    await admin.unsafe(`alter database "${name}" with allow_connections false`)
    await admin.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`
    )
    for (let status = 200; status === 200; await Bun.sleep(500)) {
      status = (await page.goto(sidecar.url))?.status() ?? 0
    }
    const times: Array<number> = []
    for (let n = 0; n < 5; n += 1) {
      const began = performance.now()
      await (await fetch(sidecar.url, { headers: { accept: "text/html" } })).text()
      times.push(Math.round(performance.now() - began))
      const answer = await page.goto(sidecar.url)
      expect(answer?.status()).toBe(503)
      expect(await page.locator("tbody[data-rows] > tr").count()).toBe(3)
      expect(await page.locator("#alarm").textContent()).toMatch(
        /^Data as of \d\d:\d\d(:\d\d)? \w+: the database does not answer\. This page keeps retrying\.$/
      )
    }
    console.log(`the database is away: answered in ${times.join(", ")} ms`)
    expect(Math.max(...times)).toBeLessThan(1_000)
    expect(await green(page)).toEqual([])
    await org.page.goto(sidecar.url)
    expect(await pageProblems(org.page, "database-gone")).toEqual([])
    await page.goto(orgUrl)
    expect(await page.locator(".answer").count()).toBe(1)
    expect(await page.locator("#alarm").isVisible()).toBe(true)
    await page.goto(`${sidecar.url}/?q=organisation%202`)
    expect(await page.locator("tbody[data-rows] > tr").count()).toBe(1)
    // The last known data might lack this organisation or run, so the response is 503 and not 404.
    for (const path of ["/org/nobody", `/run/${crypto.randomUUID()}`]) {
      expect([path, (await page.goto(`${sidecar.url}${path}`))?.status()]).toEqual([path, 503])
      expect(await page.locator(".dead").textContent()).toBe(
        "The database does not answer, and no earlier data for this page is available."
      )
    }
    expect((await sidecar.get("/api/status")).status).toBe(503)
  } finally {
    await admin.unsafe(`alter database "${name}" with allow_connections true`)
    await admin.close()
  }
  await org.page.locator("#alarm").waitFor({ state: "hidden" })
  expect(await org.page.evaluate(() => document.documentElement.classList.contains("stale"))).toBe(
    false
  )
  expect(await pageProblems(org.page, "database-back")).toEqual([])
})

test("without integrations the page shows three steps, and their SQL creates the first integration", async () => {
  project.functions.behave(() => status(200, { ok: true }))
  const { page, problems } = await read()
  await page.locator("h1", { hasText: "No integrations yet" }).waitFor()
  expect(await page.locator(".steps li").count()).toBe(3)
  expect(await pageProblems(page, "first-run")).toEqual([])
  const sql = await page.locator(".steps code").nth(1).textContent()
  expect(sql).toBe(FIRST_SQL)
  await project.sql.unsafe(sql ?? "").simple()
  await page.locator("h1", { hasText: "0 of 1 have completed a run yet; 1 never ran" }).waitFor()
  expect(await green(page)).toEqual([])
  expect(problems).toEqual([])
})

test("the page of a run shows its attempts on one axis; only operators see the response, others see a command", async () => {
  project.functions.behave(() =>
    status(502, {
      error: { code: "BROKEN", message: "<img src=x>" },
      hint: "\u202eevil<script>1</script>"
    })
  )
  await seed(1, 1)
  const { page, problems } = await read()
  await page
    .locator("h1", { hasText: "0 of 1 have completed a run yet; 1 failing: BROKEN" })
    .waitFor()
  await page.locator("tbody td:nth-child(3) a").click()
  await page.waitForURL(/\/run\//)
  expect(await page.locator(".waterfall li").first().textContent()).toMatch(
    /^Attempt 1.*failed: BROKEN, "<img src=x>"/
  )
  expect(await page.locator(".copy code").allInnerTexts()).toEqual([
    expect.stringMatching(/^sync-scheduler runs retry [0-9a-f]{8} --wait$/),
    expect.stringMatching(/^sync-scheduler runs show [0-9a-f]{8} -o json$/)
  ])
  expect(await page.locator("main").textContent()).not.toContain("evil")
  expect(await pageProblems(page, "run-failed")).toEqual([])
  await page.locator("main a", { hasText: "Sign in" }).click()
  await page.locator("#name").fill("Kari")
  await page.locator("#token").fill(ADMIN_TOKEN)
  await page.keyboard.press("Enter")
  await page.locator(".answered").waitFor()
  expect(await page.locator(".answered").textContent()).toContain("\\u202eevil<script>1</script>")
  expect(await page.locator("main script, main img").count()).toBe(0)
  expect(await pageProblems(page, "run-answer")).toEqual([])
  await page.getByRole("link", { name: "All runs of that day" }).click()
  await page.waitForURL(/\/org\/.*\?on=\d{4}-\d\d-\d\d$/)
  expect(await pageProblems(page, "organisation-day")).toEqual([])
  expect(problems).toEqual([])
})
