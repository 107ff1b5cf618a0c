import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Files that need the source tree. */
const FROM_SOURCE = ["docker/Dockerfile", "docker/Dockerfile.dockerignore"]

/**
 * Keyed by path relative to deploy/. Imported as a macro: Bun calls it during the build, so that the binary contains the text of
 * the files.
 */
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
