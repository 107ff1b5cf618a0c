/**
 * Takes the screenshots of the status page for docs/. Usage: `bun scripts/screenshots.ts`. Needs Debian's chromium; install
 * fonts-inter for the best results.
 */
import { join, resolve } from "node:path"
import { open, startBrowser } from "../test/browser/Browser.ts"
import { startServeFixture } from "../test/browser/ServeFixture.ts"
import { fixtureId } from "../test/support/OperatorFixture.ts"

const docs = resolve(import.meta.dir, "../docs")
const [fixture, browser] = await Promise.all([startServeFixture(), startBrowser()])

// The fixture's runs begin eight days ago. This statement adds 80 days of nightly runs, three of which failed.
await fixture.project.sql.unsafe(`
  insert into sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, attempt, trigger)
  select i.id, i.org_id, i.integration_type, d, i.id || ':' || d,
         case when (extract(doy from d)::int, i.id) in ((257, '${fixtureId(10)}'), (288, '${fixtureId(10)}'), (289, '${fixtureId(10)}')) then 'failed' else 'completed' end, 1, 'schedule'
    from organization_integrations i, generate_series(timestamptz '2026-11-11 04:00Z' - interval '80 days', '2026-11-11 04:00Z', interval '1 day') d
   where i.id in ('${fixtureId(10)}', '${fixtureId(14)}')
  on conflict do nothing`)
await fixture.project.sql.unsafe(`
  insert into sync_skipped_range (integration_id, "from", "to", count, reason)
  select '${fixtureId(10)}', t, t, 1, 'superseded' from unnest(array['2026-10-03 04:00Z', '2026-10-27 04:00Z']::timestamptz[]) t`)

const [retried] = await fixture.project.sql`
  select id from sync_run_log where integration_id = ${fixtureId(1)} and attempt = 2 limit 1`

for (const colorScheme of ["light", "dark"] as const) {
  for (const [name, path, height] of [
    ["status-page", "/", 1460],
    ["organisation-page", "/org/initech", 1120],
    ["run-page", `/run/${retried.id}`, 960]
  ] as const) {
    const { close, page } = await open(browser, `${fixture.sidecar.url}${path}`, {
      colorScheme,
      timezoneId: "Europe/Oslo",
      viewport: { width: 1280, height },
      deviceScaleFactor: 1.5
    })
    await page.locator("#fresh", { hasText: "Updated" }).waitFor()
    await page.waitForTimeout(1_000)
    await page.screenshot({ path: join(docs, `${name}-${colorScheme}.png`) })
    await close()
  }
}
await browser.close()
await fixture.close()
process.exit(0)
