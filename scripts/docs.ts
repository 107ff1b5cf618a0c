/**
 * Generates docs/reference, the examples in the pages, the component diagram in ARCHITECTURE.md, and the test table in
 * test/README.md. Usage: `bun run docs`. `--check` only compares; test/docs.test.ts fails when a page is out of date.
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises"
import { join, relative, resolve } from "node:path"
import { definitions } from "../src/Database/Migrations.ts"
import { architecturePage } from "./docs/Components.ts"
import { withExamples } from "./docs/Examples.ts"
import { httpApiPage } from "./docs/HttpApi.ts"
import {
  cliPage,
  errorsPage,
  exitCodesPage,
  jsonPage,
  metricsPage,
  settingsPage
} from "./docs/Pages.ts"
import { sqlPage } from "./docs/Sql.ts"
import { testPage } from "./docs/TestTable.ts"

export const reference: string = resolve(import.meta.dir, "../docs/reference")

const root = resolve(import.meta.dir, "..")
/** A source file and the fence's copy of it. The fence must not import other code. */
export const fenceCopy = {
  source: join(root, "src/Domain/Answers/AnswerWords.ts"),
  copy: join(root, "supabase/functions/_shared/answerWords.ts")
} as const

export const examplePages = [
  "README.md",
  "docs/how-to/test-with-layers.md",
  "docs/how-to/test-your-function.md"
] as const

export const architecture = {
  path: join(root, "ARCHITECTURE.md"),
  page: () => architecturePage(root)
} as const

export const testTable = {
  path: join(root, "test/README.md"),
  page: () => testPage(root)
} as const

/** Returns the expected content of every page, by name. */
export const referencePages = async (): Promise<ReadonlyMap<string, string>> =>
  new Map([
    ["cli.md", cliPage()],
    ["settings.md", settingsPage()],
    ["exit-codes.md", exitCodesPage()],
    ["errors.md", errorsPage()],
    ["json.md", await jsonPage()],
    ["http-api.md", httpApiPage()],
    ["metrics.md", metricsPage()],
    ["sql.md", sqlPage(definitions)]
  ])

if (import.meta.main) {
  await mkdir(reference, { recursive: true })
  if (!process.argv.includes("--check")) await copyFile(fenceCopy.source, fenceCopy.copy)
  const pages = [...(await referencePages())].map(([name, text]) => [join(reference, name), text])
  for (const page of examplePages) {
    const path = join(root, page)
    pages.push([path, await withExamples(await readFile(path, "utf8"))])
  }
  for (const { page, path } of [architecture, testTable]) pages.push([path, await page()])
  for (const [path = "", text = ""] of pages) {
    if (!process.argv.includes("--check")) {
      await writeFile(path, text)
    } else if (text !== (await readFile(path, "utf8").catch(() => ""))) {
      process.stderr.write(`${relative(root, path)} is out of date: bun run docs\n`)
      process.exitCode = 1
    }
  }
}
