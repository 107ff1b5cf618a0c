/**
 * Writes a file for the option `--timings` of `bun test`, which starts the slowest test files first. Otherwise, a slow file could
 * start last, and run while the other processes have nothing to do. All other files start in random order.
 * Usage: `bun scripts/order-tests.ts FILE`.
 */
import { existsSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dir, "..")

/** The slowest test files, roughly in this order. */
const SLOW: ReadonlyArray<string> = [
  "Cli/Setup/Setup.test.ts",
  "chaos/chaos.test.ts",
  "simulation/simulation.test.ts",
  "release/npm.test.ts",
  "docs/commands.test.ts",
  "Cli/Audit/Audit.test.ts",
  "Cli/Demo/Demo.test.ts",
  "contract/MemoryParity.test.ts",
  "integration/tick.test.ts",
  "chaos/outage.test.ts",
  "integration/supabaseOutage.test.ts",
  "integration/adoptedRows.test.ts",
  "integration/silentConnections.test.ts",
  "sql/plans.test.ts",
  "Domain/ScheduleOracle.test.ts",
  "Cli/Doctor/Doctor.test.ts",
  "Cli/Serve/ServeDemo.test.ts",
  "environment.test.ts",
  "integration/connectionHints.test.ts"
]

const [file] = Bun.argv.slice(2)
if (file === undefined) {
  console.error("order-tests: expected the path of the file to write")
  process.exit(2)
}
const missing = SLOW.filter((name) => !existsSync(join(root, "test", name)))
if (missing.length > 0) {
  console.error(`order-tests: SLOW names missing files: ${missing.join(", ")}`)
  process.exit(1)
}
const names = [...new Bun.Glob("**/*.test.ts").scanSync({ cwd: join(root, "test") })]
/** Milliseconds, of which only the order matters. The random part lets neighbours change places. */
const timing = (name: string): number => {
  const rank = SLOW.includes(name) ? SLOW.length - SLOW.indexOf(name) : 0
  return rank * 1000 + Math.round(Math.random() * (rank > 0 ? 3000 : 900))
}
const files = Object.fromEntries(names.map((name) => [`test/${name}`, timing(name)]))
await mkdir(dirname(resolve(root, file)), { recursive: true })
await writeFile(resolve(root, file), JSON.stringify({ version: 1, files }))
