import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { migrations, schemaVersion } from "../src/Migrations.ts"
import { readMigrations } from "./support/PostgresTemplate.ts"

test("no migration is forgotten, and each is the file's text, in order", () => {
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

test("versions are 14 digits and increase", () => {
  const versions = migrations.map(({ version }) => version)
  expect(versions.every((version) => /^\d{14}$/.test(version))).toBe(true)
  expect(versions).toEqual([...new Set(versions)].toSorted())
  expect(schemaVersion).toBe(versions.at(-1) ?? "")
})

test("the embedded database's project and the tests' have the same roles", () => {
  const source = readFileSync(join(import.meta.dir, "../src/Layers/EmbeddedLive.ts"), "utf8")
  for (const role of ["anon", "authenticated", "service_role"])
    expect(source).toContain(`'${role}'`)
})
