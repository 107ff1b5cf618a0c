import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { hostileVariables } from "../../src/Config/Ambient.ts"

const root = resolve(import.meta.dir, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const names = hostileVariables.map(({ name }) => name).toSorted()
const namesIn = (text: string) =>
  [...text.matchAll(/\b(?:BUN|NODE)_[A-Z0-9_]+/g)].map(([name]) => name)

test.each(["sync-scheduler.service", "sync-scheduler-serve.service"])(
  "%s unsets exactly the hostile variables",
  (unit) => {
    const lines = read(`deploy/systemd/${unit}`).match(/^UnsetEnvironment=.*$/gm) ?? []
    expect(namesIn(lines.join(" ")).toSorted()).toEqual(names)
  }
)

test.each(["Dockerfile", "Dockerfile.binary"])(
  "%s sets each hostile variable to an empty value",
  (file) => {
    const last =
      read(`deploy/docker/${file}`)
        .split(/^FROM /m)
        .at(-1) ?? ""
    const emptied = [...last.matchAll(/^(?:ENV)? +([A-Z0-9_]+)=""/gm)].map(([, name = ""]) => name)
    expect(emptied.toSorted()).toEqual(names)
  }
)

test("the npm command removes each hostile variable", () => {
  const [, list = ""] = /const hostile = \[([^\]]*)\]/.exec(read("scripts/release/shim.mjs")) ?? []
  expect(namesIn(list).toSorted()).toEqual(names)
})
