/**
 * Writes docs/reference out of the definitions that the program goes by: `bun run docs`. `--check` only compares.
 * test/docs.test.ts fails when a page is out of date.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { definitions } from "../src/Migrations.ts"
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

/** Where the pages are. */
export const reference: string = resolve(import.meta.dir, "../docs/reference")

/** Every page by its name, as it should be. */
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
  for (const [name, text] of await referencePages()) {
    const path = join(reference, name)
    if (!process.argv.includes("--check")) {
      await writeFile(path, text)
    } else if (text !== (await readFile(path, "utf8").catch(() => ""))) {
      process.stderr.write(`docs/reference/${name} is out of date: bun run docs\n`)
      process.exitCode = 1
    }
  }
}
