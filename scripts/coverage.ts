/**
 * Runs the tests and checks the line coverage of src, in total and for every file. Bun's own threshold does not report the
 * reason for a failure, and counts every generated constructor as a function.
 *
 * Files that only the binary runs, such as the commands, are tested from outside. These files are listed, but not measured.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const WHOLE = 0.9
const PER_FILE = 0.6

const root = resolve(import.meta.dir, "..")

interface Lines {
  readonly file: string
  readonly found: number
  readonly hit: number
}

/** Reads an lcov report: `SF:` gives the file, `LF:` and `LH:` give the line counts. */
const readReport = (report: string): ReadonlyArray<Lines> =>
  report
    .split("end_of_record")
    .map((record) => {
      const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(record)?.[1] ?? ""
      return { file: field("SF"), found: Number(field("LF")), hit: Number(field("LH")) }
    })
    .filter(({ file, found }) => file.startsWith("src/") && found > 0)

const sum = (files: ReadonlyArray<Lines>, of: "found" | "hit"): number =>
  files.reduce((total, lines) => total + lines[of], 0)

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

const directory = await mkdtemp(join(tmpdir(), "sync-scheduler-coverage-"))
try {
  const tests = Bun.spawn(
    [
      process.execPath,
      "test",
      "--coverage",
      "--coverage-reporter=lcov",
      `--coverage-dir=${directory}`,
      ...Bun.argv.slice(2)
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] }
  )
  const failed = (await tests.exited) !== 0
  const report = await readFile(join(directory, "lcov.info"), "utf8").catch(() => "")
  const files = readReport(report)
  const whole = sum(files, "hit") / Math.max(sum(files, "found"), 1)
  const seen = new Set(files.map(({ file }) => file))
  const unseen = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: root })].filter(
    (file) => !seen.has(file) && !file.endsWith(".d.ts")
  )
  const low = files.filter(({ found, hit }) => hit / found < PER_FILE)

  console.log(`\nline coverage of src: ${percent(whole)} (minimum ${percent(WHOLE)})`)
  if (unseen.length > 0)
    console.log(
      `not loaded by the tests themselves (types, and code that only the binary runs): ${unseen.sort().join(", ")}`
    )
  for (const { file, found, hit } of low) {
    console.log(`too low: ${file} ${percent(hit / found)} (minimum ${percent(PER_FILE)})`)
  }
  process.exitCode = failed || whole < WHOLE || low.length > 0 ? 1 : 0
} finally {
  await rm(directory, { recursive: true, force: true })
}
