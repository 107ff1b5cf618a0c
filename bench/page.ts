/**
 * Measures the size and the rendering time of a page with a thousand integrations. Uses no database. Usage: `bun bench/page.ts`.
 */
import { overviewPage } from "../src/Server/Pages/OverviewPage.ts"
import {
  frame,
  HOUR,
  integrationOf,
  matterOf,
  NOW,
  overviewOf,
  uuid
} from "../test/Server/Pages/Fixtures.ts"

const integrations = Array.from({ length: 1_000 }, (_, n) =>
  integrationOf(n, {
    org_name: `Organisation number ${n} AS`,
    timezone: n % 2 === 0 ? "Europe/Oslo" : "UTC"
  })
)
const runs = Array.from({ length: 96 }, (_, n) => {
  const slot = NOW - (95 - n) * 15 * 60_000
  return [
    slot,
    n % 50 === 7 ? "failed" : "completed",
    slot + 900,
    slot + 42_000,
    1,
    uuid(n)
  ] as const
})
const activity = {
  now: NOW,
  from: NOW - 24 * HOUR,
  to: NOW,
  integrations: integrations
    .slice(0, 200)
    .map(({ integration_id }) => ({ integration_id, truncated: false, runs, ranges: [] }))
}
const matter = matterOf(overviewOf(integrations), { activity })

const once = (): number => {
  const began = process.cpuUsage()
  overviewPage(frame, matter)
  const { system, user } = process.cpuUsage(began)
  return (user + system) / 1_000
}
const cold = once()
for (let n = 0; n < 10; n += 1) once()
const times = Array.from({ length: 50 }, once).toSorted((a, b) => a - b)
const bytes = Buffer.byteLength(overviewPage(frame, matter))
console.log(
  `1,000 integrations: ${bytes.toLocaleString("en-US")} bytes, ${Bun.gzipSync(Buffer.from(overviewPage(frame, matter))).length.toLocaleString("en-US")} gzipped; ` +
    `rendered in ${times[25]?.toFixed(1)} ms (first rendering: ${cold.toFixed(1)} ms)`
)
