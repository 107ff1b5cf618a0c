import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Glob } from "bun"
import { cell, generated, page, table } from "./Markdown.ts"

const TITLE =
  /^( *)(?:(?:describe|test|it)(?:\.\w+)?(?:\([^()\n]*\))?|\]\))\(\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/gm
/** The maximum number of titles per file. */
const MAX_TITLES = 6

/** Returns a file's top-level test titles. */
const titlesOf = (source: string): ReadonlyArray<string> => {
  const found = [...source.matchAll(TITLE)].map(([, indent = "", quoted, template = ""]) => ({
    depth: indent.length,
    title: quoted?.replaceAll('\\"', '"') ?? template
  }))
  const outermost = Math.min(...found.map(({ depth }) => depth))
  return found.flatMap(({ depth, title }) => (depth === outermost ? [title] : []))
}

const shown = (titles: ReadonlyArray<string>): string => {
  const more = titles.length - MAX_TITLES
  const first = titles.slice(0, MAX_TITLES).join("; ")
  return cell(more > 0 ? `${first}; ${more} more` : first)
}

/** Returns test/README.md with a table of the test files and their titles. */
export const testPage = async (root: string): Promise<string> => {
  const paths = [...new Glob("**/*.{test,e2e}.ts").scanSync({ cwd: join(root, "test") })]
  const folders = Map.groupBy(paths.toSorted(), (path) => path.split("/").slice(0, -1).join("/"))
  const sections = await Promise.all(
    [...folders].map(async ([folder, files]) => {
      const rows = files.map(async (file) => [
        `[${file.split("/").at(-1)}](${file})`,
        shown(titlesOf(await readFile(join(root, "test", file), "utf8")))
      ])
      const heading = folder === "" ? "The whole project" : `\`${folder}/\``
      return page([`## ${heading}`, table(["File", "What it proves"], await Promise.all(rows))])
    })
  )
  return [
    page([
      generated("Which test proves what", "the titles of the tests"),
      "A folder that is named after a component of `src/` tests that component. A `.test.ts` file runs with `bun run test`. An `.e2e.ts` file needs a browser,\nroot, other command-line tools or a whole deployment, and runs with `bun run e2e ./test/<file>`.",
      "The [simulation](simulation/README.md) runs the engine against every invariant, and the [chaos campaigns](chaos/README.md) kill real\nprocesses."
    ]),
    ...sections
  ].join("\n")
}
