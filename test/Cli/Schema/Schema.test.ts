import { beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

beforeAll(() => binaryPath())

test("schema print prints the migrations byte for byte, in order, each in a transaction", async () => {
  const folder = join(import.meta.dir, "../../../supabase/migrations")
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")))
  const { stdout, code } = await runBinary(["schema", "print"])
  expect(stdout).toBe(texts.map((text) => `begin;\n${text}commit;\n`).join(""))
  expect(code).toBe(0)
  const json = await runBinary(["schema", "print", "-o", "json"])
  const files = JSON.parse(json.stdout).map(
    (one: { version: string; name: string }) => `${one.version}_${one.name}.sql`
  )
  expect(files).toEqual(names)
})
