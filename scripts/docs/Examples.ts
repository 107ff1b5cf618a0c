import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "../..")

const INCLUDED = /^(```\w+[^\n`]* from=(\S+)[^\n`]*\n)[\s\S]*?^```$/gm

/** Returns the paths of the examples that a page contains, relative to the root. */
export const examplesOf = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(INCLUDED)].map(([, , path = ""]) => path)

/** Returns the page with the current text in each `from=<path>` block. GitHub cannot include files. */
export const withExamples = async (page: string): Promise<string> => {
  const texts = new Map<string, string>()
  for (const path of examplesOf(page)) texts.set(path, await readFile(join(root, path), "utf8"))
  return page.replace(
    INCLUDED,
    (_, opening: string, path: string) => `${opening}${texts.get(path) ?? ""}\`\`\``
  )
}
