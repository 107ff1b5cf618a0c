import { join } from "node:path"
import { PLATFORMS, packageName } from "../../scripts/Platforms.ts"

const installed = join(import.meta.dir, "../../node_modules")

type Manifest = Readonly<Record<string, unknown>> & {
  readonly name: string
  readonly version: string
}

export interface NpmRegistry {
  readonly url: string
  readonly fetched: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

const readManifest = async (archive: Uint8Array<ArrayBuffer>): Promise<Manifest> => {
  const files = await new Bun.Archive(archive).files("package/package.json")
  return JSON.parse((await files.get("package/package.json")?.text()) ?? "")
}

/** Packs an installed package into an archive like the one that its authors published. */
const packInstalled = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
  const options = ["--exclude=./node_modules", "--transform=s,^\\.,package,"]
  const tar = Bun.spawn([
    "tar",
    "--use-compress-program=gzip -1",
    "-cf",
    "-",
    "-C",
    join(installed, name),
    ...options,
    "."
  ])
  return new Uint8Array(await new Response(tar.stdout).arrayBuffer())
}

/** Serves the packages at `paths` and in node_modules. Platform packages that were not built have only a manifest. */
export const startNpmRegistry = async (paths: ReadonlyArray<string>): Promise<NpmRegistry> => {
  const archives = new Map<string, Uint8Array<ArrayBuffer>>()
  const manifests = new Map<string, Manifest>()
  for (const path of paths) {
    const archive = await Bun.file(path).bytes()
    const manifest = await readManifest(archive)
    archives.set(manifest.name, archive)
    manifests.set(manifest.name, manifest)
  }
  const version = manifests.get("sync-scheduler")?.version ?? ""
  for (const platform of PLATFORMS) {
    const name = packageName(platform)
    const { cpu, libc, os } = platform
    if (!manifests.has(name)) {
      const rest = libc === undefined ? {} : { libc: [libc] }
      manifests.set(name, { name, version, os: [os], cpu: [cpu], ...rest })
    }
  }
  const fetched: Array<string> = []

  const archiveOf = async (name: string) => {
    const archive = archives.get(name) ?? (await packInstalled(name))
    archives.set(name, archive)
    return archive
  }
  const manifestOf = async (name: string): Promise<Manifest | undefined> => {
    const file = Bun.file(join(installed, name, "package.json"))
    return manifests.get(name) ?? ((await file.exists()) ? file.json() : undefined)
  }
  const packument = async (name: string, origin: string): Promise<Response> => {
    const manifest = await manifestOf(name)
    if (manifest === undefined) return new Response("{}", { status: 404 })
    const isBuilt = archives.has(name) || !name.startsWith("@sync-scheduler/")
    const bytes = isBuilt ? await archiveOf(name) : new Uint8Array()
    const integrity = `sha512-${new Bun.CryptoHasher("sha512").update(bytes).digest("base64")}`
    const dist = { tarball: `${origin}/archives/${name}.tgz`, integrity }
    return Response.json({
      name,
      "dist-tags": { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } }
    })
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { origin, pathname } = new URL(request.url)
      const path = decodeURIComponent(pathname).slice(1)
      if (!path.startsWith("archives/")) return packument(path, origin)
      const name = path.slice("archives/".length, -".tgz".length)
      fetched.push(name)
      return new Response(await archiveOf(name))
    }
  })
  return { url: server.url.href, fetched, close: () => server.stop(true) }
}
