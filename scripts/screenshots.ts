/**
 * Takes the pictures of the page in docs/: `bun scripts/screenshots.ts`. They show the scene that the tests use, in a real
 * Chromium, served by the binary over a real PostgreSQL. Needs Debian's chromium; they look best with fonts-inter.
 */
import { join, resolve } from "node:path"
import { open, startBrowser } from "../test/browser/Browser.ts"
import { startScene } from "../test/browser/Scene.ts"
import { sceneId } from "../test/support/OperatorScene.ts"

const docs = resolve(import.meta.dir, "../docs")
const [scene, browser] = await Promise.all([startScene(), startBrowser()])

// The scene's runs begin eight days ago. A quarter of a year of nightly ones, three of which failed.
await scene.project.sql.unsafe(`
  insert into sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, attempt, trigger)
  select i.id, i.org_id, i.integration_type, d, i.id || ':' || d,
         case when (extract(doy from d)::int, i.id) in ((257, '${sceneId(10)}'), (288, '${sceneId(10)}'), (289, '${sceneId(10)}')) then 'failed' else 'completed' end, 1, 'schedule'
    from organization_integrations i, generate_series(timestamptz '2026-11-11 04:00Z' - interval '80 days', '2026-11-11 04:00Z', interval '1 day') d
   where i.id in ('${sceneId(10)}', '${sceneId(14)}')
  on conflict do nothing`)
await scene.project.sql.unsafe(`
  insert into sync_skipped_range (integration_id, "from", "to", count, reason)
  select '${sceneId(10)}', t, t, 1, 'superseded' from unnest(array['2026-10-03 04:00Z', '2026-10-27 04:00Z']::timestamptz[]) t`)

for (const colorScheme of ["light", "dark"] as const) {
  for (const [name, path, height] of [
    ["status-page", "/", 1460],
    ["organisation-page", "/org/initech", 1120]
  ] as const) {
    const { close, page } = await open(browser, `${scene.sidecar.url}${path}`, {
      colorScheme,
      viewport: { width: 1280, height },
      deviceScaleFactor: 1.5
    })
    await page.screenshot({ path: join(docs, `${name}-${colorScheme}.png`) })
    await close()
  }
}
await browser.close()
await scene.close()
process.exit(0)
