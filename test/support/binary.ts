import { stat } from "node:fs/promises"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "../..")
const binary = join(
  root,
  "dist",
  process.platform === "win32" ? "sync-scheduler.exe" : "sync-scheduler"
)

/** What the binary is made of; a folder's own time tells when a file in it went away. */
const SOURCES = [
  "src/**",
  "supabase/migrations/**",
  "scripts/build.ts",
  "package.json",
  "bun.lock"
] as const

const modifiedAt = async (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

const newestSource = async (): Promise<number> => {
  const paths = SOURCES.flatMap((pattern) => [
    ...new Bun.Glob(pattern).scanSync({ cwd: root, onlyFiles: false })
  ])
  return Math.max(...(await Promise.all(paths.map((path) => modifiedAt(join(root, path))))))
}

const build = async (): Promise<string> => {
  if ((await modifiedAt(binary)) > (await newestSource())) return binary
  const building = Bun.spawn([process.execPath, join(root, "scripts", "build.ts")], {
    stdout: "ignore",
    stderr: "pipe"
  })
  const output = await new Response(building.stderr).text()
  if ((await building.exited) !== 0) throw new Error(`The binary does not build:\n${output}`)
  return binary
}

let built: Promise<string> | undefined

/**
 * The path of the binary that ships, built from the sources as they are: once per test process, and only when
 * it is missing or older than a source. Rejects with the build's output when it does not build.
 */
export const binaryPath = (): Promise<string> => {
  built ??= build()
  return built
}
