import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { anchorOf } from "../../scripts/site/Pages.ts"

export const root = join(import.meta.dir, "../..")

/** A page's fenced block. `notes` are the words after the language, such as `exit=3` or `no-run`. */
export interface Block {
  readonly language: string
  readonly notes: ReadonlyArray<string>
  readonly text: string
  readonly line: number
}

/** A page's blocks include those in a comment from `<!-- run` to `-->`, which readers do not see. */
export interface Document {
  readonly path: string
  readonly text: string
  readonly blocks: ReadonlyArray<Block>
}

const FENCE = /^( *)```(\w+)?([^\n`]*)\n([\s\S]*?)^\1```$|^<!-- run\n([\s\S]*?)^-->$/gm

const blocksOf = (text: string): ReadonlyArray<Block> =>
  [...text.matchAll(FENCE)].map((match) => {
    const [, indent = "", language = "", notes = "", shown, hidden] = match
    const body = hidden ?? shown ?? ""
    return {
      language: hidden === undefined ? language : "sh",
      notes: notes.trim() === "" ? [] : notes.trim().split(/\s+/),
      text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      line: text.slice(0, match.index).split("\n").length
    }
  })

export const readDocument = (path: string): Document => {
  const text = readFileSync(join(root, path), "utf8")
  // A page whose commands cannot run here names the test that runs them: <!-- test: shown-by=... -->
  const all = [...text.matchAll(/^<!-- test: (shown-by=\S+) -->$/gm)].map((match) => match[1] ?? "")
  const blocks = blocksOf(text).map((block) => ({ ...block, notes: [...block.notes, ...all] }))
  return { path, text, blocks }
}

/** Paths are relative to the project root. */
export const readDocuments = (): ReadonlyArray<Document> => {
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
  return [
    ...[
      "README.md",
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "SECURITY.md",
      "examples/README.md",
      "supabase/functions/README.md"
    ],
    ...docs.filter((path) => path.endsWith(".md")).map((path) => `docs/${path}`)
  ]
    .toSorted()
    .map(readDocument)
}

const withoutCode = (text: string): string =>
  text
    .replace(FENCE, (block) => block.replace(/[^\n]/g, " "))
    .replace(/`[^`\n]*`/g, (code) => "x".repeat(code.length))

/** Ignores links in code. */
export const linksOf = ({ text }: Document): ReadonlyArray<string> => {
  const markdown = [...withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g)]
  const html = [...withoutCode(text).matchAll(/\b(?:src|srcset|href)="([^"\s]+)"/g)]
  return [...markdown, ...html].map((match) => match[1] ?? "")
}

/** The anchors that GitHub generates. */
export const anchorsOf = ({ text }: Document): ReadonlySet<string> => {
  const anchors = new Set<string>()
  const headings = text.replace(FENCE, "").matchAll(/^#{1,6} +(.*)$/gm)
  for (const [, heading = ""] of headings) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "")
    const slug = anchorOf(plain)
    let anchor = slug
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`
    anchors.add(anchor)
  }
  return anchors
}
