import { access } from "node:fs/promises"
import axe from "axe-core"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

/** The default is the path in Debian's package. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"

/** For a Chromium that runs as root in a sandbox without internet access. */
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

/** *Rejects* with installation instructions if there is no Chromium. */
export const startBrowser = async (): Promise<Browser> => {
  await access(CHROMIUM).catch(() => {
    throw new Error(`No Chromium at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM.`)
  })
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
}

export interface Reader {
  readonly page: Page
  /** Console errors, policy violations, script errors and dialog boxes. */
  readonly problems: Array<string>
  readonly close: () => Promise<void>
}

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

/** Returns axe-core's findings on a page, as `rule: element`. */
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

/** Tests a desktop with the light theme and a phone with the dark theme. If SHOTS is set, saves screenshots. */
export const pageProblems = async (page: Page, name: string): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  const viewport = page.viewportSize()
  for (const [colorScheme, width] of [
    ["dark", 400],
    ["light", 1440]
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 1000 })
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (tooWide > 0) found.push(`${name}, ${colorScheme}: ${tooWide} pixels too wide`)
    for (const one of await violations(page)) found.push(`${name}, ${colorScheme}: ${one}`)
    if (SHOTS !== "") {
      await page.screenshot({ path: `${SHOTS}/${name}-${colorScheme}.png`, fullPage: true })
    }
  }
  if (viewport !== null) await page.setViewportSize(viewport)
  return found
}

const SHOTS = process.env.SHOTS ?? ""
