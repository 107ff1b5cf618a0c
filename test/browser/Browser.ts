import { access } from "node:fs/promises"
import axe from "axe-core"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

/** Where Debian's Chromium is; `CHROMIUM` names another. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"

/** It runs as root in a sandbox of ours, and asks nobody outside for anything. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage"
]

/** Starts Chromium; rejects with how to get it when it is not there. Close it. */
export const startBrowser = async (): Promise<Browser> => {
  await access(CHROMIUM).catch(() => {
    throw new Error(`No Chromium at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM.`)
  })
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
}

/** A page as one reader has it. */
export interface Reader {
  readonly page: Page
  /** Everything that the browser complained of: console errors, refused by the policy, scripts that broke, dialogs. */
  readonly problems: Array<string>
  readonly close: () => Promise<void>
}

/** Opens an address with a browser profile of its own. */
export const open = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {}
): Promise<Reader> => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options })
  const page = await context.newPage()
  const problems: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
  })
  page.on("pageerror", (error) => problems.push(String(error)))
  page.on("dialog", (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(url)
  return { page, problems, close: () => context.close() }
}

/** What axe-core finds wrong with a page, as `rule: element`. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    })
    return violations.map(({ id, nodes }) => ({
      id,
      nodes: nodes.map(({ failureSummary, html }) => `${html.slice(0, 160)} ${failureSummary}`)
    }))
  })
  return found.flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${node}`))
}
