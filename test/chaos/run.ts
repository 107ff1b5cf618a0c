/** The long form: `bun test/chaos/run.ts --kills 200 --postgres-kills 20`. Exits 1 when anything was lost or doubled. */
import { parseArgs } from "node:util"
import { runChaos } from "./Chaos.ts"
import { showReport } from "./Report.ts"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    "postgres-kills": { type: "string", default: "20" },
    "function-kills": { type: "string", default: "10" },
    freezes: { type: "string", default: "20" },
    engines: { type: "string", default: "4" },
    json: { type: "boolean", default: false }
  }
})

const report = await runChaos({
  kills: Number(values.kills),
  postgresKills: Number(values["postgres-kills"]),
  functionKills: Number(values["function-kills"]),
  freezes: Number(values.freezes),
  engines: Number(values.engines),
  say: (line) => console.error(line)
})
console.log(values.json ? JSON.stringify(report, null, 2) : showReport(report))
process.exit(report.violations.length === 0 ? 0 : 1)
