import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import type { Browser, Page } from "playwright-core"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { connect } from "../support/Postgres.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"
import { open, startBrowser } from "./Browser.ts"

setDefaultTimeout(90_000)

let browser: Browser
let project: Project
let sidecar: Sidecar
beforeAll(async () => {
  ;[browser, project] = await Promise.all([startBrowser(), startProject()])
  sidecar = await startSidecar({
    ...project.environment,
    SUPABASE_DB_URL: project.database.url,
    SYNC_SCHEDULER_INTERVAL: "1s"
  })
}, 120_000)
afterAll(async () => {
  await browser?.close()
  sidecar?.kill("SIGKILL")
  await project?.close()
}, 60_000)

const clear = () => project.sql.unsafe("delete from organization_integrations").simple()

/** A page reload removes the mark. */
const markDocument = (page: Page): Promise<void> =>
  page.evaluate(() => document.documentElement.setAttribute("data-branded", "yes"))
const isBranded = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.documentElement.hasAttribute("data-branded"))

test("an open page shows new ticks without moving the focus, the scroll position or an open list", async () => {
  await clear()
  const mayAnswer = Promise.withResolvers<void>()
  project.functions.behave(() => until(mayAnswer.promise, ok()))
  await project.seedDue(40, {
    next_run_at: "now() + interval '1 hour'",
    org_name: "'Quiet ' || generate_series"
  })
  const [id] = await project.seedDue(1, { org_name: "'Busy'" })
  const { close, page, problems } = await open(browser, sidecar.url)
  await markDocument(page)
  const state = page.locator(`#i-${id} td:first-child`)
  await state.filter({ hasText: "Running" }).waitFor()

  // Focuses the link in the row in the middle of the window.
  await page.evaluate(() => {
    scrollTo(0, document.body.scrollHeight / 2)
    const row = document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("tr")
    row?.querySelector("a")?.focus({ preventScroll: true })
  })
  const place = () =>
    page.evaluate(() => {
      const { activeElement: focused } = document
      return { on: focused?.getAttribute("href"), top: focused?.getBoundingClientRect().top ?? 0 }
    })
  const before = await place()
  expect(before.on).toStartWith("/org/")
  mayAnswer.resolve()
  await state.filter({ hasText: "On time" }).waitFor()
  // The focused row stays in place on the screen, even when the page grows above it.
  const after = await place()
  expect(after.on).toBe(before.on)
  expect(Math.abs(after.top - before.top)).toBeLessThan(3)
  expect(await isBranded(page)).toBe(true)

  await page.locator("#pause").click()
  const stamp = await page.locator("#stamp").textContent()
  await project.seedDue(1, { org_name: "'Late comer'", next_run_at: "now() + interval '1 hour'" })
  await page.waitForTimeout(6_000)
  expect(await page.locator("#stamp").textContent()).toBe(stamp)
  await page.locator("#pause").click()
  await page.locator("tr", { hasText: "Late comer" }).waitFor()
  expect(problems).toEqual([])
  await close()
})

test("when the database goes away, the page says so and shows nothing green, and it recovers with the database", async () => {
  await clear()
  project.functions.behave(() => ok())
  await project.seedDue(3, { next_run_at: "now() + interval '1 hour'", org_name: "'Calm'" })
  const { close, page } = await open(browser, sidecar.url)
  await markDocument(page)
  const { adminUrl, name } = project.database
  const away = new URL(adminUrl)
  away.pathname = "/postgres"
  const admin = connect(away.toString())
  const alarm = page.locator("#alarm")
  expect(await alarm.isVisible()).toBe(false)
  try {
    await admin.unsafe(`alter database "${name}" with allow_connections false`)
    await admin.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`
    )
    await alarm
      .filter({ hasText: /^Data as of [\d:]+ \w+: the database does not answer/ })
      .waitFor()
    expect(await page.evaluate(() => document.documentElement.classList.contains("stale"))).toBe(
      true
    )
    const reload = await page.request.get(sidecar.url, { headers: { accept: "text/html" } })
    expect(reload.status()).toBe(503)
    expect(await reload.text()).toContain("the database does not answer. This page keeps retrying.")
    expect((await sidecar.get("/livez")).status).toBe(200)
  } finally {
    await admin.unsafe(`alter database "${name}" with allow_connections true`)
    await admin.close()
  }
  await alarm.waitFor({ state: "hidden" })
  expect(await page.evaluate(() => document.documentElement.className)).toBe("js")
  expect(await isBranded(page)).toBe(true)
  await close()
})

test("a thousand integrations fill pages of a hundred under 150 kB, and typing filters them", async () => {
  await clear()
  await project.sql.unsafe(`
    with made as (
      insert into organization_integrations (org_id, org_name, integration_type, sync_schedule, timezone, next_run_at, created_at, schedule_since)
      select gen_random_uuid(), 'Organisation ' || n, (array['xledger', 'dynamics', 'fortnox'])[n % 3 + 1],
             (n % 60) || ' * * * *', (array['Europe/Oslo', 'UTC', 'America/New_York'])[n % 3 + 1],
             now() + make_interval(mins => 60 + n % 60), now() - interval '90 days', now() - interval '90 days'
        from generate_series(1, 1000) n returning id, org_id, integration_type)
    insert into sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, started_at, finished_at, drift_ms, duration_ms, attempt, trigger)
    select m.id, m.org_id, m.integration_type, t, m.id || ':' || t, 'completed', t + interval '1 s', t + interval '30 s', 1000, 29000, 1, 'schedule'
      from made m, generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour') t`)
  await project.sql`analyze`
  const times: Array<number> = []
  let bytes = 0
  for (let n = 0; n < 5; n += 1) {
    const began = performance.now()
    const answer = await fetch(sidecar.url, { headers: { accept: "text/html" } })
    bytes = (await answer.arrayBuffer()).byteLength
    times.push(Math.round(performance.now() - began))
    await Bun.sleep(300)
  }
  console.log(`1,000 integrations: ${bytes} bytes, answered in ${times.join(", ")} ms`)
  expect(bytes).toBeLessThan(150_000)
  const { close, page, problems } = await open(browser, sidecar.url)
  expect(await page.locator("tbody[data-rows] > tr").count()).toBe(100)
  expect(await page.locator(".paging").textContent()).toContain("1 to 100 of 1,000")
  await page.locator("#q").pressSequentially("organisation 777")
  await page.locator("#h-all", { hasText: /^1 of 1,000 integrations/ }).waitFor()
  expect(await page.locator("tbody[data-rows] > tr").count()).toBe(1)
  expect(problems).toEqual([])
  await close()
})

test("when the scheduler is killed and restarted, the page says so and continues by itself", async () => {
  const own = await startSidecar({
    ...project.environment,
    SUPABASE_DB_URL: project.database.url,
    SYNC_SCHEDULER_INTERVAL: "24h"
  })
  const { close, page } = await open(browser, own.url)
  await markDocument(page)
  own.kill("SIGKILL")
  await own.exited
  const alarm = page.locator("#alarm")
  await alarm.filter({ hasText: "the scheduler does not answer" }).waitFor()
  const again = await startSidecar({
    ...project.environment,
    SUPABASE_DB_URL: project.database.url,
    SYNC_SCHEDULER_INTERVAL: "24h",
    SYNC_SCHEDULER_LISTEN: new URL(own.url).host
  })
  await alarm.waitFor({ state: "hidden" })
  expect(await isBranded(page)).toBe(true)
  await close()
  again.kill("SIGTERM")
  await again.exited
})
