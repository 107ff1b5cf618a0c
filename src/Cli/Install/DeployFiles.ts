import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Omits these files, because they need the source code. */
const FROM_SOURCE = ["docker/Dockerfile", "docker/Dockerfile.dockerignore"]

/** Returns the text of each file, keyed by path. Bun calls this macro during the build, so that the binary contains the texts. */
export const readDeployFiles = (): Record<string, string> => {
  const root = join(import.meta.dir, "../../../deploy")
  const paths = ["systemd", "docker", "k8s"].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => `${folder}/${name}`)
  )
  const scripts = readdirSync(root).filter((name) => name.startsWith("pg_cron"))
  const files = [
    ...paths.filter((path) => !FROM_SOURCE.includes(path)).map((path) => [path, path]),
    ...scripts.map((name) => [`pg_cron/${name}`, name])
  ]
  return Object.fromEntries(
    files.toSorted().map(([path = "", from = ""]) => [path, readFileSync(join(root, from), "utf8")])
  )
}
