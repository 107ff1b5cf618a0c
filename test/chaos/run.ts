/**
 * Runs the long campaigns. Exits with 1 if a campaign finds a defect.
 *
 * Usage: `bun test/chaos/run.ts [campaign...] [--scale 0.1] [--json]`
 */

import { parseOptions } from "../../scripts/parseOptions.ts"
import { type ChaosOptions, type ChaosReport, runChaos } from "./Chaos.ts"
import { showCampaigns, showReport } from "./Report.ts"

const CAMPAIGNS: Readonly<Record<string, ChaosOptions>> = {
  kills: {
    kills: 200,
    freezes: 20,
    servers: { "PostgreSQL killed": 20, "functions killed": 10 },
    engines: 4
  },
  "kills, over HTTP, on_unknown = 'retry'": {
    kills: 100,
    freezes: 10,
    servers: { "PostgreSQL killed": 10, "functions killed": 10 },
    engines: 4,
    over: "api",
    onUnknown: "retry"
  },
  "read-only": { servers: { "database read-only": 20 }, engines: 4, over: "direct" },
  "disk full": { servers: { "disk full": 20 }, engines: 4 },
  stopped: {
    servers: { "PostgreSQL stopped": 9, "PostgreSQL stopped for 33 s": 3 },
    engines: 4
  },
  clocks: {
    servers: { "clock of PostgreSQL set": 30, "clock of an engine set": 30 },
    engines: 4
  }
}

const { positionals, values } = parseOptions({
  options: {
    scale: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  },
  allowPositionals: true
})
const unknown = positionals.filter((name) => CAMPAIGNS[name] === undefined)
if (unknown.length > 0) {
  console.error(
    `unknown campaign: ${unknown.join(", ")}. Campaigns: ${Object.keys(CAMPAIGNS).join("; ")}`
  )
  process.exit(2)
}

const scale = Number(values.scale)
const scaled = (count = 0) => Math.ceil(count * scale)
const reports: Record<string, ChaosReport> = {}
for (const [name, options] of Object.entries(CAMPAIGNS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  console.error(`--- ${name}`)
  const report = await runChaos({
    ...options,
    kills: scaled(options.kills),
    freezes: scaled(options.freezes),
    servers: Object.fromEntries(
      Object.entries(options.servers ?? {}).map(([fault, count]) => [fault, scaled(count)])
    ),
    say: (line) => console.error(line)
  })
  console.error(showReport(report))
  reports[name] = report
}
console.log(values.json ? JSON.stringify(reports, null, 2) : showCampaigns(reports))
const isSound = Object.values(reports).every(({ violations }) => violations.length === 0)
process.exit(isSound ? 0 : 1)
