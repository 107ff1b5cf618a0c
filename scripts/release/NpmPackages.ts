import { copyFile, mkdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { binaryName, PLATFORMS, type Platform, packageName } from "../Platforms.ts"
import { type CompressionLevel, tarGz } from "./Archive.ts"
import { buildLibrary, exportsOf, LIBRARY_NEEDS } from "./Library.ts"

const root = resolve(import.meta.dir, "../..")

const { description, license, name, version } = manifest

/** The repository of the release workflow (`owner/name`). npm compares it with the repository that built the package. */
const repository = process.env.GITHUB_REPOSITORY

const common = {
  version,
  license,
  ...(repository === undefined
    ? {}
    : { repository: { type: "git", url: `git+https://github.com/${repository}.git` } }),
  publishConfig: { access: "public", provenance: true }
}

interface Places {
  readonly directory: string
  readonly into: string
}

const write = async (directory: string, file: string, content: unknown): Promise<void> => {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, file), `${JSON.stringify(content, null, 2)}\n`)
}

/** Returns the path of the archive. */
const pack = (directory: string, into: string): string => {
  const npm = Bun.spawnSync(["npm", "pack", "--json", "--pack-destination", into], {
    cwd: directory,
    stderr: "pipe"
  })
  if (!npm.success) throw new Error(`npm pack: ${npm.stderr.toString()}`)
  const [{ filename }]: readonly [{ filename: string }] = JSON.parse(npm.stdout.toString())
  return join(into, filename)
}

/** Builds the package for one platform's binary and returns the path of the archive. A high compression `level` is slow. */
export const packPlatform = async (
  platform: Platform,
  binary: string,
  { directory, into, level }: Places & { readonly level: CompressionLevel }
): Promise<string> => {
  const place = join(directory, platform.name)
  await write(place, "package.json", {
    name: packageName(platform),
    ...common,
    description: `The binary of sync-scheduler for ${platform.name}.`,
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc === undefined ? {} : { libc: [platform.libc] }),
    preferUnplugged: true
  })
  const contents = [
    { name: "package/package.json", path: join(place, "package.json"), executable: false },
    { name: "package/LICENSE", path: join(root, "LICENSE"), executable: false },
    { name: `package/bin/${binaryName(platform)}`, path: binary, executable: true }
  ]
  const path = join(into, `sync-scheduler-${platform.name}-${version}.tgz`)
  await writeFile(path, await tarGz(contents, level))
  return path
}

/** Builds the package that users install: the library, and a command that starts the platform's binary. */
export const packUmbrella = async (
  commit: string,
  { directory, into }: Places
): Promise<string> => {
  const place = join(directory, name)
  await buildLibrary(place, { commit, version })
  await mkdir(join(place, "bin"), { recursive: true })
  await copyFile(join(root, "scripts/release/shim.mjs"), join(place, "bin/sync-scheduler.mjs"))
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) {
    await copyFile(join(root, file), join(place, file))
  }
  const { dependencies } = manifest
  await write(place, "package.json", {
    name,
    ...common,
    description,
    keywords: ["supabase", "scheduler", "cron", "edge-functions", "effect"],
    type: "module",
    sideEffects: false,
    engines: { node: ">=22" },
    bin: { "sync-scheduler": "bin/sync-scheduler.mjs" },
    exports: exportsOf(),
    dependencies: Object.fromEntries(LIBRARY_NEEDS.map((need) => [need, dependencies[need]])),
    peerDependencies: { effect: `^${dependencies.effect}` },
    optionalDependencies: Object.fromEntries(
      PLATFORMS.map((platform) => [packageName(platform), version])
    ),
    files: ["bin", "lib", "CHANGELOG.md"]
  })
  return pack(place, into)
}
