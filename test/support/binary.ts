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
 * Delays Bun's optimizing compilers, which would use a third of the CPU time of a short command. Code that runs often is still
 * optimized. The embedded PostgreSQL of `demo` is WebAssembly, which has two compilers of its own, BBQ and OMG.
 */
export const LATE_OPTIMIZER = {
  BUN_JSC_thresholdForBBQOptimizeAfterWarmUp: "2000",
  BUN_JSC_thresholdForOMGOptimizeAfterWarmUp: "500000",
  BUN_JSC_thresholdForOMGOptimizeSoon: "500000",
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
