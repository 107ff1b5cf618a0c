/**
 * Builds a release into dist/release. Usage: `bun run release:build [--platform linux-x64 ...] [--out dir]`. Publishes nothing.
 * All platforms take one to two minutes and about 2 GB of disk space.
 *
 * For every platform in Platforms.ts, or only for the given platforms, writes a binary, its archive and its npm package to
 * `files`. Also writes the npm package that users install, an SPDX bill of materials, and `checksums.txt` (`sha256sum --check`).
 * Writes `notes.md`, the version's section of the changelog, next to `files`. `--source url` is the address of the released
 * source: the release then includes the alert rules, and all links are absolute.
 *
 * For tests: `--binary path` uses an existing binary for the one given platform. `--npm-only` builds no archives and uses fast
 * compression. `--unfrozen` accepts migrations and a changelog that may still change.
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import manifest from "../package.json" with { type: "json" }
import { binaryName, PLATFORMS, type Platform } from "./Platforms.ts"
import { parseOptions } from "./parseOptions.ts"
import { tarGz, zip } from "./release/Archive.ts"
import { packPlatform, packUmbrella } from "./release/NpmPackages.ts"
import { notesOf, rulesOf } from "./release/Published.ts"
import { type Lockfile, readLockfile, sbomOf } from "./release/Sbom.ts"

const root = resolve(import.meta.dir, "..")

const { values } = parseOptions({
  options: {
    platform: { type: "string", multiple: true },
    out: { type: "string", default: join(root, "dist", "release") },
    binary: { type: "string" },
    commit: { type: "string" },
    unfrozen: { type: "boolean", default: false },
    "npm-only": { type: "boolean", default: false },
    source: { type: "string" }
  }
})

const fail = (message: string): never => {
  console.error(`release: ${message}`)
  process.exit(2)
}

const wanted = values.platform ?? PLATFORMS.map(({ name }) => name)
const platforms = wanted.map(
  (name) =>
    PLATFORMS.find((platform) => platform.name === name) ??
    fail(`unknown platform ${name}; one of ${PLATFORMS.map((one) => one.name).join(", ")}`)
)
if (values.binary !== undefined && platforms.length !== 1) fail("--binary needs one --platform")

const commitOf = (): string => {
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: root })
  return git.success ? git.stdout.toString().trim() : "unknown"
}
const commit = values.commit ?? commitOf()
const out = resolve(values.out)
const files = join(out, "files")
const work = join(out, "work")

/** Fails unless every migration is frozen, because a released migration must never change. */
const checkMigrations = async (): Promise<void> => {
  const frozen = await readFile(join(root, "supabase/migrations.sha256"), "utf8").catch(() => "")
  const names = await readdir(join(root, "supabase/migrations"))
  const open = names.filter((name) => name.endsWith(".sql") && !frozen.includes(name))
  if (open.length > 0) {
    fail(
      `not in supabase/migrations.sha256: ${open.join(", ")}\n` +
        "  fix: cd supabase && sha256sum migrations/*.sql > migrations.sha256"
    )
  }
}

const build = async (platform: Platform): Promise<string> => {
  if (values.binary !== undefined) return resolve(values.binary)
  const outfile = join(work, "bin", platform.name, binaryName(platform))
  const built = Bun.spawnSync(
    [
      ...[process.execPath, join(root, "scripts/build.ts"), "--target", platform.target],
      ...["--outfile", outfile, "--commit", commit]
    ],
    { cwd: root, stdout: "inherit", stderr: "inherit" }
  )
  if (!built.success) fail(`${platform.name} does not build`)
  return outfile
}

const archive = async (platform: Platform, binary: string): Promise<void> => {
  const contents = [
    { name: binaryName(platform), path: binary, executable: true },
    { name: "LICENSE", path: join(root, "LICENSE"), executable: false },
    { name: "README.md", path: join(root, "README.md"), executable: false }
  ]
  const isZip = platform.os === "win32"
  const file = `sync-scheduler-${manifest.version}-${platform.name}.${isZip ? "zip" : "tar.gz"}`
  await writeFile(join(files, file), isZip ? await zip(contents) : await tarGz(contents, 9))
}

/** The declared licences, by package name. */
const licenses = new Map<string, string>()
const readLicenses = async (lockfile: Lockfile): Promise<void> => {
  for (const [id] of Object.values(lockfile.packages)) {
    const name = id.slice(0, id.lastIndexOf("@"))
    const file = Bun.file(join(root, "node_modules", name, "package.json"))
    const found: { license?: unknown } = (await file.exists()) ? await file.json() : {}
    licenses.set(name, typeof found.license === "string" ? found.license : "NOASSERTION")
  }
}

const writeSbom = async (): Promise<void> => {
  const lockfile = await readLockfile(join(root, "bun.lock"))
  await readLicenses(lockfile)
  const sbom = sbomOf(lockfile, {
    name: manifest.name,
    version: manifest.version,
    license: manifest.license,
    bunVersion: manifest.engines.bun.replace(/^>=/, ""),
    created: `${new Date().toISOString().slice(0, 19)}Z`,
    licenseOf: (name) => licenses.get(name) ?? "NOASSERTION"
  })
  const file = join(files, `sync-scheduler-${manifest.version}.spdx.json`)
  await writeFile(file, `${JSON.stringify(sbom, null, 2)}\n`)
}

const writeRules = async (source: string): Promise<void> => {
  const rules = await readFile(join(root, "deploy/prometheus/rules.yaml"), "utf8")
  const file = join(files, `sync-scheduler-${manifest.version}-rules.yaml`)
  await writeFile(file, rulesOf(rules, source))
}

const writeNotes = async (): Promise<void> => {
  const changelog = await readFile(join(root, "CHANGELOG.md"), "utf8")
  await writeFile(join(out, "notes.md"), notesOf(changelog, manifest.version, values.source))
}

const writeChecksums = async (): Promise<void> => {
  const names = (await readdir(files)).filter((name) => name !== "checksums.txt").toSorted()
  const lines: Array<string> = []
  for (const name of names) {
    const hash = new Bun.CryptoHasher("sha256").update(await Bun.file(join(files, name)).bytes())
    lines.push(`${hash.digest("hex")}  ${name}\n`)
  }
  await writeFile(join(files, "checksums.txt"), lines.join(""))
}

await rm(out, { recursive: true, force: true })
await mkdir(files, { recursive: true })
if (!values.unfrozen) {
  await checkMigrations()
  await writeNotes().catch((error: unknown) =>
    fail(error instanceof Error ? error.message : String(error))
  )
}
const places = { directory: join(work, "npm"), into: files }
for (const platform of platforms) {
  const binary = await build(platform)
  if (!values["npm-only"]) await archive(platform, binary)
  await packPlatform(platform, binary, { ...places, level: values["npm-only"] ? 1 : 9 })
}
await packUmbrella(commit, places)
await writeSbom()
if (values.source !== undefined) await writeRules(values.source)
await writeChecksums()
await rm(work, { recursive: true, force: true })
for (const name of (await readdir(files)).toSorted()) {
  const { size } = await stat(join(files, name))
  console.error(`${(size / 1e6).toFixed(1).padStart(7)} MB  ${basename(name)}`)
}
