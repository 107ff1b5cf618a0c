/** A package in bun.lock. `id` is `name@version`, and `integrity` is the hash of its archive. */
type Locked = readonly [id: string, source: string, needs: Needs, integrity: string]

interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lockfile {
  readonly workspaces: Readonly<
    Record<string, { readonly dependencies: Readonly<Record<string, string>> }>
  >
  readonly packages: Readonly<Record<string, Locked>>
}

/** Reads bun.lock, which is JSON with trailing commas. */
export const readLockfile = async (path: string): Promise<Lockfile> => {
  const text = await Bun.file(path).text()
  // An unexpected lockfile aborts the release, so that the bill of materials is never silently incomplete.
  const lockfile: Lockfile = JSON.parse(JSON.stringify(Bun.JSONC.parse(text)))
  return lockfile
}

/** `created`: an ISO 8601 instant. `licenseOf`: returns a package's SPDX licence. */
export interface SbomOptions {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly bunVersion: string
  readonly created: string
  readonly licenseOf: (name: string) => string
}

/** Returns the direct and transitive dependencies, by name. */
const closureOf = ({ packages, workspaces }: Lockfile): ReadonlyMap<string, Locked> => {
  const found = new Map<string, Locked>()
  const visit = (name: string, parent: string): void => {
    // A version that only the parent uses has the parent's name in its key. The lockfile omits optional packages of other platforms.
    const key = `${parent}/${name}` in packages ? `${parent}/${name}` : name
    const locked = packages[key]
    if (locked === undefined || found.has(key)) return
    found.set(key, locked)
    // Peer dependencies need no visit: those in use are also direct dependencies, and the others are not installed.
    const { dependencies, optionalDependencies } = locked[2]
    const needs = { ...dependencies, ...optionalDependencies }
    for (const need of Object.keys(needs)) visit(need, key)
  }
  for (const name of Object.keys(workspaces[""]?.dependencies ?? {})) visit(name, "")
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const idOf = (name: string): string => `SPDXRef-${name.replace(/[^A-Za-z0-9.]+/g, "-")}`

const purl = (name: string, version: string): string =>
  `pkg:npm/${name.replace(/^@/, "%40")}@${version}`

const checksumOf = (integrity: string) => ({
  algorithm: "SHA512",
  checksumValue: Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex")
})

/** Returns a release's software bill of materials: SPDX 2.3 as JSON. */
export const sbomOf = (lockfile: Lockfile, options: SbomOptions) => {
  const { bunVersion, created, license, licenseOf, name, version } = options
  const dependencies = [...closureOf(lockfile)].map(([key, [id, , , integrity]]) => {
    const at = id.lastIndexOf("@")
    const [packageName, packageVersion] = [id.slice(0, at), id.slice(at + 1)]
    return {
      ...describe(packageName, packageVersion, licenseOf(packageName)),
      SPDXID: idOf(key),
      checksums: [checksumOf(integrity)]
    }
  })
  const runtime = describe("bun", bunVersion, "MIT")
  const main = describe(name, version, license)
  const all = [...dependencies, runtime]
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${name}-${version}`,
    documentNamespace: `urn:sync-scheduler:sbom:${version}:${Bun.hash(JSON.stringify(all)).toString(16)}`,
    creationInfo: { created, creators: [`Tool: ${name}-${version}`] },
    packages: [main, ...all],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", main.SPDXID),
      ...all.map(({ SPDXID }) => relation(main.SPDXID, "DEPENDS_ON", SPDXID))
    ]
  }
}

const relation = (from: string, relationshipType: string, to: string) => ({
  spdxElementId: from,
  relationshipType,
  relatedSpdxElement: to
})

const describe = (name: string, version: string, license: string) => ({
  name,
  SPDXID: idOf(name),
  versionInfo: version,
  downloadLocation: "NOASSERTION",
  filesAnalyzed: false,
  licenseConcluded: "NOASSERTION",
  licenseDeclared: license,
  copyrightText: "NOASSERTION",
  externalRefs: [
    {
      referenceCategory: "PACKAGE-MANAGER",
      referenceType: "purl",
      referenceLocator: purl(name, version)
    }
  ]
})
