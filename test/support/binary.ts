import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "../..")
const binary = join(
  root,
  "dist",
  process.platform === "win32" ? "sync-scheduler.exe" : "sync-scheduler"
)

const build = async (): Promise<string> => {
  const building = Bun.spawn(
    [process.execPath, join(root, "scripts", "build.ts"), "--if-stale", "--outfile", binary],
    { stdout: "ignore", stderr: "pipe" }
  )
  const output = await new Response(building.stderr).text()
  if ((await building.exited) !== 0) throw new Error(`The binary does not build:\n${output}`)
  return binary
}

/**
 * Delays Bun's optimizing compiler, which would use a third of the CPU time of a short command. Code that runs often is still
 * optimized.
 */
export const LATE_OPTIMIZER = {
  BUN_JSC_thresholdForOptimizeAfterWarmUp: "20000",
  BUN_JSC_thresholdForOptimizeAfterLongWarmUp: "20000",
  BUN_JSC_thresholdForOptimizeSoon: "20000"
} as const

let built: Promise<string> | undefined

/**
 * Builds the release binary if it is missing or older than its sources. A build takes about 10 s, which is longer than a test's
 * default timeout. With a bare `bun test`, the test file needs `beforeAll(binaryPath, 60_000)`.
 */
export const binaryPath = (): Promise<string> => {
  built ??= build()
  return built
}
