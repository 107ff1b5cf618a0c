import { expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { read } from "../../src/Cli/Arguments.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { alertRules } from "../support/alertRules.ts"

const directory = join(import.meta.dir, "../../docs/runbooks")
const textOf = (name: string) => readFileSync(join(directory, `${name}.md`), "utf8")
const alerts = alertRules()
const runbooks = readdirSync(directory)
  .filter((name) => name.endsWith(".md") && name !== "README.md")
  .map((name) => name.slice(0, -3))

test("each alert has one runbook, listed and in the same format", () => {
  expect(runbooks.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted())
  for (const { alert, labels } of alerts) {
    expect(textOf("README")).toContain(`| [${alert}](${alert}.md) | ${labels.severity} |`)
    expect(textOf(alert).match(/^#+ .*$/gm)).toEqual([
      `# ${alert}`,
      "## Symptoms",
      "## Causes",
      "## First checks",
      "## Fixes"
    ])
  }
})

/** Splits each command into words, up to a comment or a pipe. */
const commandLinesOf = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...text.matchAll(/(?:^|`)sync-scheduler ([^`#|]+)/gm)].map(([, line = ""]) =>
    [...(line.split("\n")[0] ?? "").matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, word]) => quoted ?? word ?? ""
    )
  )

test("every command in a runbook is a valid command line", () => {
  const lines = runbooks.flatMap((name) => commandLinesOf(textOf(name)))
  expect(lines.length).toBeGreaterThan(30)
  for (const words of lines) {
    const request = read(words, commands)
    expect([words, request]).toEqual([words, expect.not.objectContaining({ _tag: "Misuse" })])
    expect([words, request._tag === "Help"]).toEqual([words, false])
  }
})
