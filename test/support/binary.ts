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

let built: Promise<string> | undefined

/**
 * The path of the binary that ships, built from the sources as they are: once per test process, and only when
 * it is missing or older than what it is made of. Rejects with the build's output when it does not build.
 *
 * A first build takes some 10 s, more than a test may by default: `bun run test` has it built before it starts, a
 * bare `bun test` needs `beforeAll(binaryPath, 60_000)`.
 */
export const binaryPath = (): Promise<string> => {
  built ??= build()
  return built
}
