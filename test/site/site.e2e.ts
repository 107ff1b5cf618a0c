import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, BrowserContextOptions } from "playwright-core"
import { open, type Reader, startBrowser, violations } from "../browser/Browser.ts"
import { serveSite, siteDirectory } from "./SiteServer.ts"

setDefaultTimeout(120_000)

const site = serveSite()
let browser: Browser
const readers: Array<Reader> = []
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(async () => {
  for (const reader of readers) await reader.close()
  await browser?.close()
  await site.stop()
})

const read = async (path: string, options: BrowserContextOptions = {}): Promise<Reader> => {
  const reader = await open(browser, `${site.url}${path}`, options)
  readers.push(reader)
  return reader
}

const pages = readdirSync(siteDirectory, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".html") && path !== "404.html")
  .map((path) => ({ path: `/${path}`, html: readFileSync(join(siteDirectory, path), "utf8") }))

test("every link leads to a page or a file, and every anchor to a heading", () => {
  expect(pages.length).toBeGreaterThan(70)
  const ids = new Map(
    pages.map(({ path, html }) => [
      path,
      new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    ])
  )
  const broken = pages.flatMap(({ html, path }) =>
    [...html.matchAll(/ href="([^"]+)"/g)].flatMap(([, href = ""]) => {
      const { hash, origin, pathname } = new URL(
        href.replaceAll("&amp;", "&"),
        `${site.url}${path}`
      )
      if (origin !== site.url) return []
      const to = pathname.replace(/\/$/, "/index.html")
      if (!existsSync(join(siteDirectory, to))) return [`${path}: ${href}: no such file`]
      const isThere = hash === "" || ids.get(to)?.has(decodeURIComponent(hash.slice(1)))
      return isThere ? [] : [`${path}: ${href}: no such heading`]
    })
  )
  expect(broken).toEqual([])
})

test("the site contains no instructions for the tests of the pages", () => {
  for (const { html, path } of pages) {
    expect([path, html.match(/shown-by=|<!-- (?:test|run)\b/)]).toEqual([path, null])
  }
})

describe.each(["light", "dark"] as const)("the home page, %s", (colorScheme) => {
  test("fits one screen with the description, the demo's output and three steps", async () => {
    const { page, problems } = await read("/", {
      colorScheme,
      viewport: { width: 1440, height: 900 }
    })
    const text = await page.locator(".landing").textContent()
    expect(text).toContain("on time, without duplicates, and tells you when one didn't run")
    expect(text).toContain('TOKEN_EXPIRED, "Xledger answered 401: token expired"')
    expect(text).toMatch(/1\. The program[\s\S]*2\. A project[\s\S]*3\. Setup/)
    expect(text).toContain("sync-scheduler setup --yes")
    const { height, isDark, width } = await page.evaluate(() => ({
      height: document.documentElement.scrollHeight,
      width: document.documentElement.scrollWidth,
      isDark: document.documentElement.classList.contains("dark")
    }))
    expect([height, width, isDark]).toEqual([900, 1440, colorScheme === "dark"])
    // The label of the theme's search button omits the keyboard shortcut that the button shows.
    const found = (await violations(page)).filter((one) => !/^label-content.*DocSearch/.test(one))
    expect(found).toEqual([])
    expect(problems).toEqual([])
  })
})

describe("the search", () => {
  test.each([
    ["include-all", "/how-to/upgrade", "--include-all"],
    ["did it run", "/how-to/did-it-run", "explain"]
  ])("for %s finds the page, and contacts no other server", async (words, path, shown) => {
    const { page, problems } = await read("/")
    const asked: Array<string> = []
    page.on("request", (request) => asked.push(new URL(request.url()).origin))
    await page.locator(".DocSearch-Button, #local-search button").first().click()
    await page.locator("#localsearch-input").fill(words)
    const results = page.locator("#localsearch-list a.result")
    await results.first().waitFor()
    const found = await results.evaluateAll((all) =>
      all.map((one) => one.getAttribute("href") ?? "")
    )
    expect(found.slice(0, 5).some((href) => href.startsWith(path))).toBe(true)
    await results.nth(found.findIndex((href) => href.startsWith(path))).click()
    await page.waitForURL(`**${path}.html*`)
    // The URL changes before the page's content does.
    await page.locator("main").getByText(shown).first().waitFor()
    expect([...new Set(asked)]).toEqual([site.url])
    expect(problems).toEqual([])
  })
})

test("at 400 px no page scrolls sideways", async () => {
  const { page } = await read("/", {
    viewport: { width: 400, height: 800 },
    javaScriptEnabled: false
  })
  for (const { path } of pages) {
    await page.goto(`${site.url}${path}`)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect([path, width]).toEqual([path, 400])
  }
})

test("decisions are separate from tasks, and their navigation lists every decision", async () => {
  const { page } = await read("/adr/index.html")
  const side = page.locator(".VPSidebar")
  const shown = await side
    .locator("a.link")
    .evaluateAll((all) => all.map((one) => one.getAttribute("href")))
  const decisions = pages.map(({ path }) => path).filter((path) => path.startsWith("/adr/"))
  expect(shown.toSorted()).toEqual(
    expect.arrayContaining(decisions.filter((path) => path !== "/adr/index.html"))
  )
  expect(shown.filter((href) => href?.startsWith("/how-to/"))).toEqual([])
  await page.goto(`${site.url}/how-to/alerts.html`)
  expect(await side.locator('a[href^="/adr/"]').count()).toBe(0)
})
