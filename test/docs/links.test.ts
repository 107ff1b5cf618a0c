import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { dependencies } from "../../package.json" with { type: "json" }
import { anchorsOf, linksOf, readDocument, readDocuments, root } from "./Document.ts"

test("every link between pages leads to a file, and every anchor to a heading", () => {
  const broken = readDocuments().flatMap((document) =>
    linksOf(document).flatMap((link) => {
      if (/^(https?|mailto):/.test(link)) return []
      const [file = "", anchor] = link.split("#")
      const path = file === "" ? document.path : normalize(join(dirname(document.path), file))
      if (!existsSync(join(root, path))) return [`${document.path}: ${link}: no such file`]
      if (anchor === undefined) return []
      const isThere = anchorsOf(readDocument(path)).has(anchor)
      return isThere ? [] : [`${document.path}: ${link}: no such heading`]
    })
  )
  expect(broken).toEqual([])
})

test("the README has its first code before line 15 and is short", () => {
  const { blocks, text } = readDocument("README.md")
  expect(blocks[0]?.line).toBeLessThan(15)
  expect(text.split("\n").length).toBeLessThan(200)
})

test("every npm install of the library pins the compatible version of effect", () => {
  const lines = readDocuments().flatMap(({ text }) =>
    text.split(/[\n`]/).filter((line) => /^npm install .*\bsync-scheduler\b/.test(line))
  )
  const ofLibrary = lines.filter((line) => !line.includes("--global"))
  expect(ofLibrary.length).toBeGreaterThan(2)
  const major = /^\^?(\d+)\./.exec(dependencies.effect)?.[1]
  for (const line of ofLibrary) expect(line).toContain(` effect@${major}`)
})

test("docs/README.md links to every page under docs", () => {
  const index = linksOf(readDocument("docs/README.md")).map((link) =>
    normalize(join("docs", link.split("#")[0] ?? ""))
  )
  const pages = readDocuments().map(({ path }) => path)
  const missing = pages.filter(
    (path) => /^docs\/(tutorial|how-to|reference|explanation)\//.test(path) && !index.includes(path)
  )
  expect(missing).toEqual([])
})
