import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Glob } from "bun"
import { reference, referencePages } from "../scripts/docs.ts"
import { findingCodes } from "../src/Cli/Doctor/Finding.ts"
import { functionRules } from "../src/Domain/AnswerRule.ts"
import { commandCodes, runCodes, serveCodes } from "../src/Domain/ErrorCode.ts"
import { platformRules } from "../src/Domain/PlatformError.ts"

const root = resolve(import.meta.dir, "..")

test("docs/reference is what the definitions say (else: bun run docs)", async () => {
  for (const [name, text] of await referencePages()) {
    const path = join(reference, name)
    const committed = await Bun.file(path).text()
    expect([name, ...committed.split("\n")]).toEqual([name, ...text.split("\n")])
  }
})

test("every code that the source speaks of is in the table of errors", () => {
  const known = new Set([
    ...[commandCodes, runCodes, serveCodes, findingCodes].flatMap((codes) => Object.keys(codes)),
    ...[...platformRules, ...functionRules].map(({ code }) => code)
  ])
  const spoken = [...new Glob("src/**/*.ts").scanSync({ cwd: root })]
    .filter((path) => !path.startsWith("src/Cli/Demo"))
    .flatMap((path) => {
      const source = readFileSync(join(root, path), "utf8")
      return [...source.matchAll(/\bcode: "([A-Z][A-Z_]{2,})"/g)].map(([, code = ""]) => ({
        path,
        code
      }))
    })
  expect(spoken.length).toBeGreaterThan(40)
  expect(spoken.filter(({ code, path }) => !known.has(code) && path !== COMBINED)).toEqual([])
})

/** Codes of its own that leave this file with another name. */
const COMBINED = "src/Layers/Combiner.ts"

test("the pages link only to what is there", async () => {
  const pages = await referencePages()
  for (const [name, text] of pages) {
    for (const [, target = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const [file = "", anchor] = target.split("#")
      const page = file === "" ? text : pages.get(file)
      expect([name, target, page === undefined]).toEqual([name, target, false])
      if (anchor !== undefined) {
        const anchors = [...(page ?? "").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
          title.toLowerCase().replaceAll(" ", "-")
        )
        expect(anchors).toContain(anchor)
      }
    }
  }
})
