import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { StateName } from "../../src/Domain/State.ts"
import { setClock } from "../support/DatabaseClock.ts"
import { FIXTURE_NOW, fixtureId, HOSTILE_NAME } from "../support/OperatorFixture.ts"
import { open, type Reader, startBrowser, violations } from "./Browser.ts"
import { type ServeFixture, startServeFixture } from "./ServeFixture.ts"

setDefaultTimeout(60_000)

let fixture: ServeFixture
let browser: Browser
const readers: Array<Reader> = []
beforeAll(async () => {
  ;[fixture, browser] = await Promise.all([startServeFixture(), startBrowser()])
}, 120_000)
afterAll(async () => {
  for (const reader of readers) await reader.close()
  await browser?.close()
  await fixture?.close()
}, 60_000)

const read = async (path: string, options: BrowserContextOptions = {}): Promise<Reader> => {
  const reader = await open(browser, `${fixture.sidecar.url}${path}`, {
    timezoneId: "Europe/Oslo",
    ...options
  })
  readers.push(reader)
  return reader
}

const rowsOf = (page: Page): Promise<ReadonlyArray<string>> =>
  page.locator("tbody[data-rows] > tr:visible td:first-child").allInnerTexts()

const runWhere = async (condition: string): Promise<string> => {
  const [row] = await fixture.project.sql.unsafe(
    `select id from sync_run_log where ${condition} order by scheduled_for desc limit 1`
  )
  return row.id
}

describe("the overview", () => {
  test("lists the worst first, with the reason, the last and the next run, and a chart of the day", async () => {
    const { page, problems } = await read("/")
    expect(await page.title()).toBe("7 of 16 integrations need attention · Sync Scheduler")
    const states = (await rowsOf(page)).map((word) => word.trim().toLowerCase())
    const words = ["overdue", "misconfigured", "unknown", "failing", "retrying", "late"]
    expect([...new Set(states)]).toEqual([...words, "running", "never ran", "paused", "on time"])
    expect(await page.locator(".attention li").count()).toBe(7)
    expect(await page.locator("#heartbeat").textContent()).toMatch(/Last tick .* ago/)
    const globex = page.locator(`#i-${fixtureId(4)}`)
    // The first response uses the most common time zone. The page's script then stores the browser's zone.
    await globex
      .filter({ hasText: /Overdue.*Globex.*yesterday 09:00.*was due 12 m ago/s })
      .waitFor()
    expect(await page.locator(`#i-${fixtureId(5)} svg.strip`).getAttribute("aria-label")).toMatch(
      /^Last 24 hours: \d+ completed, 1 skipped, 4 failed$/
    )
    expect(await page.locator(".providers").textContent()).toContain("Throttled")
    expect(problems).toEqual([])
  })

  test("shows a hostile name as text and runs no script from it", async () => {
    const { page, problems } = await read("/")
    const name = page.locator(`#i-${fixtureId(13)} bdi`).first()
    expect(await name.textContent()).toBe(HOSTILE_NAME.replace("\u0000", ""))
    await page.goto(
      `${fixture.sidecar.url}/?q=${encodeURIComponent('"><script>alert(2)</script>')}`
    )
    expect(await page.locator("main script").count()).toBe(0)
    expect(problems).toEqual([])
  })

  test("filters the list and the address while the user types, keeps the focus, and works without the script", async () => {
    const { page, problems } = await read("/")
    await page.locator("#q").pressSequentially("hool")
    await page.locator("#h-all", { hasText: /^1 of 16 integrations/ }).waitFor()
    expect(await rowsOf(page)).toEqual(["Failing"])
    expect(page.url()).toEndWith("/?q=hool")
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("q")
    await page.locator("#q").fill("")
    await page.locator("#h-all", { hasText: /^16 integrations/ }).waitFor()
    expect((await rowsOf(page)).length).toBe(16)
    await page.locator("nav a", { hasText: "Failing" }).click()
    await page.locator("#h-all", { hasText: /^2 of 16 integrations/ }).waitFor()
    expect(problems).toEqual([])

    const plain = await read("/", { javaScriptEnabled: false })
    await plain.page.locator("#q").fill("initech")
    await plain.page.locator("#q").press("Enter")
    await plain.page.waitForURL(/q=initech/)
    expect((await rowsOf(plain.page)).length).toBe(2)
    expect(await plain.page.locator("noscript").first().innerHTML()).toContain("refresh")
    expect(await plain.page.locator("#pause").isVisible()).toBe(false)
  })
})

describe("the appearance", () => {
  test.each([
    ["light", 400],
    ["dark", 1440]
  ] as const)(
    "in %s, %i pixels wide, has no overflow and no finding of axe-core",
    async (colorScheme, width) => {
      const { page, problems } = await read("/", { colorScheme, viewport: { width, height: 900 } })
      const run = await runWhere("status = 'failed'")
      for (const path of [
        "/",
        "/org/initech",
        `/run/${run}`,
        "/sign-in",
        "/?q=nothing%20like%20it"
      ]) {
        await page.goto(`${fixture.sidecar.url}${path}`)
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        expect([path, tooWide]).toEqual([path, 0])
        expect([path, ...(await violations(page))]).toEqual([path])
      }
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      expect(background).toBe(colorScheme === "light" ? "rgb(251, 251, 250)" : "rgb(15, 16, 18)")
      expect(problems).toEqual([])
    }
  )
})

describe("the page of an organisation", () => {
  test("answers in a sentence whether it ran, for another day too", async () => {
    const { page, problems } = await read("/")
    await page.locator(`#i-${fixtureId(1)} th a`).click()
    await page.locator("h1", { hasText: "Acme AS" }).waitFor()
    const answer = page.locator(`#i-${fixtureId(1)} .answer`)
    expect(await answer.textContent()).toMatch(/^Yes\. All 2 runs completed\./)
    expect(
      await page
        .locator(`#i-${fixtureId(1)} tbody tr`)
        .first()
        .textContent()
    ).toContain("attempt 1: HTTP 503 BOOT_ERROR")
    await page.locator("#on").fill("2026-11-15")
    await page.getByRole("button", { name: "Show day" }).click()
    await page.waitForURL(/on=2026-11-15/)
    expect(await answer.textContent()).toMatch(/^No\. Nothing was scheduled/)
    expect(problems).toEqual([])
  })

  test("is found by its name, a part of it or an integration's id; no match is reported", async () => {
    const { page } = await read("/org/ACME%20as")
    const heading = () => page.locator("h1").textContent()
    expect(await heading()).toBe("Acme AS")
    await page.goto(`${fixture.sidecar.url}/org/${fixtureId(8)}`)
    expect(await heading()).toBe("Hooli")
    await page.goto(`${fixture.sidecar.url}/org/in`)
    expect(await heading()).toBe("Which organisation?")
    await page.goto(`${fixture.sidecar.url}/org/${encodeURIComponent("<b>%")}`)
    expect(await heading()).toBe("Not found")
    expect(await page.locator(".dead").textContent()).toContain('"<b>%"')
  })
})

test("the page of a run shows its outcome, the next step, its key, and every attempt on a timeline", async () => {
  const { page, problems } = await read("/")
  await page.locator(`#i-${fixtureId(1)} td:nth-child(3) a`).click()
  await page.waitForURL(/\/run\//)
  expect(await page.locator(".answer").textContent()).toMatch(
    /Completed in 41\.0 s\.\s*The run is finished\. The next run of this integration is due Mon 02:00 CET\./
  )
  expect(await page.locator(".facts").textContent()).toContain(
    `${fixtureId(1)}:2026-11-20T01:00:00.000Z`
  )
  expect(await page.locator(".timeline b").allInnerTexts()).toEqual([
    "Claimed",
    "Started, attempt 1",
    "Not executed, will be retried",
    "Started, attempt 2",
    "Completed"
  ])
  await page.goto(`${fixture.sidecar.url}/run/${await runWhere("status = 'unknown'")}`)
  expect(await page.locator(".answer").textContent()).toContain(
    "The sync may have taken effect: check the target system. Later slots wait"
  )
  expect(problems).toEqual([])
})

test("a stopped scheduler looks stopped, and nothing on the page is green", async () => {
  await setClock(fixture.project.sql, FIXTURE_NOW + 3_600_000)
  const { page, problems } = await read("/")
  await page
    .locator("h1", { hasText: "The scheduler has stopped" })
    .waitFor()
    .finally(() => setClock(fixture.project.sql, FIXTURE_NOW))
  await page.locator("#pause").click()
  expect(await rowsOf(page)).not.toContain("On time")
  const green = await page.evaluate(() => {
    const shown = [...document.querySelectorAll("main *")].map((element) =>
      getComputedStyle(element)
    )
    return shown
      .flatMap(({ color, fill, stroke }) => [color, fill, stroke])
      .filter((paint) => {
        const [red = 0, green = 0, blue = 0] = (paint.match(/[\d.]+/g) ?? []).map(Number)
        return green > red + 30 && green > blue + 30
      })
  })
  expect(green).toEqual([])
  expect(await violations(page)).toEqual([])
  expect(problems).toEqual([])
})

test("every state has its own symbol", async () => {
  const { page } = await read("/")
  const drawings = await page.evaluate(
    (names) => names.map((name) => document.getElementById(`s-${name}`)?.innerHTML ?? ""),
    [...StateName.literals]
  )
  expect(drawings).not.toContain("")
  expect(new Set(drawings).size).toBe(StateName.literals.length)
})
