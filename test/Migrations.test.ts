import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { migrations } from "../src/Database/Migrations.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../src/Version.ts"
import { readMigrations } from "./support/PostgresTemplate.ts"

test("the list contains every migration in order, with the text of its file", () => {
  const files = readMigrations()
  const nameOf = (version: string, name: string) => `${version}_${name}.sql`
  expect(migrations.map(({ version, name }) => nameOf(version, name))).toEqual(
    files.map((file) => file.name)
  )
  for (const { version, name, sql } of migrations) {
    const file = files.find((one) => one.name === nameOf(version, name))
    expect(`${name}: ${sql === file?.text}`).toBe(`${name}: true`)
  }
})

test("versions have 14 digits and increase", () => {
  const versions = migrations.map(({ version }) => version)
  expect(versions.every((version) => /^\d{14}$/.test(version))).toBe(true)
  expect(versions).toEqual([...new Set(versions)].toSorted())
  expect(versions.at(-1) ?? "").toBe(SCHEMA_VERSION)
  expect(versions).toContain(OLDEST_SCHEMA)
})

test("a released migration never changes, and none is inserted before it", async () => {
  const folder = join(import.meta.dir, "../supabase")
  const list = join(folder, "migrations.sha256")
  // The list is written at the first release. Until then, no migration is frozen.
  const released = existsSync(list) ? readFileSync(list, "utf8").trim().split("\n") : []
  const names = released.map((line) => line.slice(66))
  for (const line of released) {
    const text = readFileSync(join(folder, line.slice(66)))
    const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex")
    expect(`${hash}  ${line.slice(66)}`).toBe(line)
  }
  const last = names.at(-1) ?? ""
  const upToLast = readMigrations()
    .map(({ name }) => `migrations/${name}`)
    .filter((name) => name <= last)
  expect(upToLast).toEqual(names)
})

/** Lists the objects, comments and grants that a migration creates at top level, such as "trigger t" or "grant on public.f". */
const definedIn = (sql: string): ReadonlyArray<string> => [
  ...[
    ...sql.matchAll(
      /^create (?:or replace )?(?:unique )?(table|function|index|trigger|view|type|schema) ([\w."]+)/gm
    )
  ].map(([, kind, name]) => `${kind} ${name}`),
  ...[...sql.matchAll(/^comment on (table|view|column|function) (\S+) is/gm)].map(
    ([, kind, name]) => `comment on ${kind} ${name}`
  ),
  ...[...sql.matchAll(/^grant [^;]*;/gm)].flatMap(([grant]) =>
    [...grant.matchAll(/public\.\w+/g)].map(([name]) => `grant on ${name}`)
  )
]

test("the migrations define each object once", () => {
  const all = migrations.flatMap(({ sql }) => definedIn(sql))
  expect(all.length).toBeGreaterThan(150)
  expect(all.filter((one, at) => all.indexOf(one) !== at)).toEqual([])
  for (const { name, sql } of migrations) {
    const changes = sql.match(/^(?:create or replace|alter (?:table public|function)|drop) .*$/gm)
    expect([name, changes]).toEqual([name, null])
  }
})

test("each migration ends by revoking access to its functions, recording its version and reloading PostgREST", () => {
  for (const { name, sql, version } of migrations) {
    const ending = sql.slice(sql.lastIndexOf("\nrevoke all on all functions in schema"))
    expect([name, ending]).toEqual([name, expect.stringContaining(` ${version}.';\nnotify pgrst`)])
    expect(sql.match(/^comment on schema /gm)).toHaveLength(1)
  }
})

test("the embedded database and the test databases have the same roles", () => {
  const source = readFileSync(join(import.meta.dir, "../src/Layers/EmbeddedSchema.ts"), "utf8")
  for (const role of ["anon", "authenticated", "service_role"])
    expect(source).toContain(`'${role}'`)
})
