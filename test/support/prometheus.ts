import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, rename } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Prometheus {
  readonly promtool: string
  readonly prometheus: string
}

const kept = join(tmpdir(), "sync-scheduler-test-prometheus")

const run = async (command: ReadonlyArray<string>, cwd: string): Promise<boolean> => {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit"
  })
  return (await child.exited) === 0
}

/** Extracts the programs from Debian's package if this machine does not have them. */
export const findPrometheus = async (): Promise<Prometheus> => {
  const promtool = Bun.which("promtool")
  const prometheus = Bun.which("prometheus")
  if (promtool !== null && prometheus !== null) return { promtool, prometheus }
  if (!existsSync(kept)) await fetchPackage()
  return { promtool: join(kept, "promtool"), prometheus: join(kept, "prometheus") }
}

const fetchPackage = async (): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), "prometheus-"))
  const download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
  const isThere =
    (await run(download, directory)) ||
    ((await run(["apt-get", "update", "-qq"], directory)) && (await run(download, directory)))
  const deb = (await readdir(directory)).find((name) => name.endsWith(".deb"))
  if (!isThere || deb === undefined) {
    throw new Error(
      "promtool is not here, and Debian's package `prometheus` cannot be had. Install it: apt-get install prometheus"
    )
  }
  await run(["dpkg-deb", "-x", deb, "package"], directory)
  await mkdir(join(directory, "bin"))
  for (const name of ["promtool", "prometheus"]) {
    await rename(join(directory, "package/usr/bin", name), join(directory, "bin", name))
  }
  // Another process may have created the directory first.
  await rename(join(directory, "bin"), kept).catch(() => undefined)
}
