import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import type { Browser } from "playwright-core"
import { fixtureId } from "../support/OperatorFixture.ts"
import { open, type Reader, startBrowser, violations } from "./Browser.ts"
import { ADMIN_TOKEN, type ServeFixture, startServeFixture } from "./ServeFixture.ts"

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

const read = async (path: string): Promise<Reader> => {
  const reader = await open(browser, `${fixture.sidecar.url}${path}`)
  readers.push(reader)
  return reader
}

const runWhere = async (condition: string): Promise<string> => {
  const [row] = await fixture.project.sql.unsafe(
    `select id from sync_run_log where ${condition} order by scheduled_for desc limit 1`
  )
  return row.id
}

test("without the token no action is possible or offered", async () => {
  const { page } = await read("/org/hooli")
  expect(await page.locator("main form[method=post]").count()).toBe(0)
  const answer = await page.request.post(
    `${fixture.sidecar.url}/api/integrations/${fixtureId(8)}/trigger`,
    { form: { reason: "because" } }
  )
  expect(answer.status()).toBe(403)
})

test("an operator can sign in, run, pause and resume an integration with the keyboard alone, each with a reason", async () => {
  const { page, problems } = await read("/org/wonka")
  await page.keyboard.press("Tab")
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content")
  await page.keyboard.press("Enter")
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("main")
  await page.goto(`${fixture.sidecar.url}/org/acme%20as`)
  await page.getByRole("link", { name: "Sign in" }).focus()
  await page.keyboard.press("Enter")
  await page.waitForURL(/sign-in/)
  const signIn = async (token: string): Promise<void> => {
    await page.locator("#name").focus()
    await page.keyboard.type("Kari Nordmann")
    await page.keyboard.press("Tab")
    await page.keyboard.type(token)
    await page.keyboard.press("Enter")
  }
  await signIn("not-the-token-at-all-0123456789ab")
  expect(await page.locator("[role=alert].bad").textContent()).toContain("not the admin token")
  problems.splice(0)
  await signIn(ADMIN_TOKEN)
  await page.locator("h1", { hasText: "Acme AS" }).waitFor()
  expect(await violations(page)).toEqual([])

  const act = async (verb: string, reason: string): Promise<void> => {
    await page.locator(`#${verb}-${fixtureId(1)} summary`).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type(reason)
    expect(await violations(page)).toEqual([])
    await page.keyboard.press("Enter")
    await page.locator("[role=status].notice").waitFor()
  }
  await act("trigger", "the customer called")
  expect(await page.locator(".notice").textContent()).toContain("The next tick starts it.")
  await act("pause", "audit at the customer")
  expect(await page.locator(`#i-${fixtureId(1)} .answer`).textContent()).toContain(
    "audit at the customer"
  )
  await act("resume", "audit is over")
  const events = await fixture.project.sql`
    select kind, actor, reason from sync_run_event
     where integration_id = ${fixtureId(1)} and kind in ('triggered', 'paused', 'resumed') order by id`
  expect(
    events.map(({ actor, kind, reason }: Record<string, string>) => [kind, actor, reason])
  ).toEqual([
    ["triggered", "Kari Nordmann (page)", "the customer called"],
    ["paused", "Kari Nordmann (page)", "audit at the customer"],
    ["resumed", "Kari Nordmann (page)", "audit is over"]
  ])
  expect(problems).toEqual([])

  await page.goto(`${fixture.sidecar.url}/run/${await runWhere("status = 'failed'")}`)
  await page.getByText("Retry").first().click()
  await page.getByLabel("Reason").fill("the token is valid again")
  await page.locator("form[action$='/retry'] button").click()
  await page.locator("[role=status].notice").waitFor()
  expect(await page.locator(".answer").textContent()).toContain("Retrying")
  await page.getByRole("button", { name: "Sign out" }).click()
  await page.locator("a", { hasText: "Sign in" }).waitFor()
})
