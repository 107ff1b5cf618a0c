import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Glob } from "bun"
import { examplesOf, withExamples } from "../scripts/docs/Examples.ts"
import {
  architecture,
  examplePages,
  fenceCopy,
  reference,
  referencePages,
  testTable
} from "../scripts/docs.ts"
import { findingCodes } from "../src/Cli/Doctor/CheckResult.ts"
import { functionRules } from "../src/Domain/Answers/AnswerRule.ts"
import { platformRules } from "../src/Domain/Answers/PlatformError.ts"
import { commandCodes, runCodes, serveCodes } from "../src/Domain/ErrorCode.ts"

const root = resolve(import.meta.dir, "..")

test("docs/reference matches the definitions (else: bun run docs)", async () => {
  for (const [name, text] of await referencePages()) {
    const path = join(reference, name)
    const committed = await Bun.file(path).text()
    expect([name, ...committed.split("\n")]).toEqual([name, ...text.split("\n")])
  }
})

test("the pages show the examples unchanged (else: bun run docs)", async () => {
  const shown = new Set<string>()
  for (const name of examplePages) {
    const text = await Bun.file(join(root, name)).text()
    expect(text).toBe(await withExamples(text))
    for (const path of examplesOf(text)) shown.add(path)
  }
  expect(shown.size).toBe(3)
})

test("the list of examples contains every example", () => {
  const list = readFileSync(join(root, "examples/README.md"), "utf8")
  for (const path of new Glob("*/**").scanSync({ cwd: join(root, "examples") })) {
    expect(list).toContain(`(${path})`)
  }
})

test("ARCHITECTURE.md shows the imports of each component (else: bun run docs)", async () => {
  expect(readFileSync(architecture.path, "utf8")).toBe(await architecture.page())
})

test("test/README.md shows which test proves what (else: bun run docs)", async () => {
  expect(readFileSync(testTable.path, "utf8")).toBe(await testTable.page())
})

test("the fence judges responses by the engine's code (else: bun run docs)", () => {
  expect(readFileSync(fenceCopy.copy, "utf8")).toBe(readFileSync(fenceCopy.source, "utf8"))
})

test("the table of errors contains every code of the source", () => {
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

/** The codes in this file are internal: callers see them under other names. */
const COMBINED = "src/Domain/Batch.ts"

test("every link of the pages leads to an existing page", async () => {
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
