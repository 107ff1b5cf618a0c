import { blocksOf } from "../../src/Cli/Schema/SchemaDefinition.ts"
import { migrations } from "../../src/Database/Migrations.ts"
import { block, cell, code, generated, page, table } from "./Markdown.ts"

/** Returns the comment lines directly before a definition, in the last migration that contains the definition. */
const remarkOn = (pattern: RegExp): string => {
  for (const { sql } of migrations.toReversed()) {
    const lines = sql.split("\n")
    const at = lines.findIndex((line) => pattern.test(line))
    if (at === -1) continue
    let first = at
    while (lines[first - 1]?.startsWith("--") === true) first -= 1
    const remark = lines
      .slice(first, at)
      .map((line) => line.replace(/^-- ?/, "").trim())
      .join(" ")
    if (remark !== "") return remark
  }
  return ""
}

const functionSection = (text: string): string => {
  const name = /^CREATE OR REPLACE FUNCTION public\.(\w+)/.exec(text)?.[1] ?? ""
  const head = text.slice("CREATE OR REPLACE FUNCTION public.".length)
  const signature = head.split("\n LANGUAGE")[0]?.replace(/\n RETURNS /, " -> ") ?? name
  const remark = remarkOn(new RegExp(`^create (or replace )?function public\\.${name}\\(`))
  return [`### ${name}`, block(signature, "sql"), ...(remark === "" ? [] : [cell(remark)])].join(
    "\n\n"
  )
}

const COLUMN = /^ {2}(\w+|"\w+") (.+?),?$/

const tableSection = (text: string): string => {
  const name = /^create table public\.(\w+)/.exec(text)?.[1] ?? ""
  const said = new Map(
    [...text.matchAll(/^comment on column [\w.]+\.(\w+) is '(.*)';$/gm)].map(
      ([, column = "", remark = ""]) => [column, remark.replaceAll("''", "'")]
    )
  )
  const inline = remarksOfColumns(name)
  const rows = (text.slice(0, text.indexOf("\n);")).match(new RegExp(COLUMN, "gm")) ?? []).map(
    (line) => {
      const [, column = "", type = ""] = COLUMN.exec(line) ?? []
      return [code(column), code(type), cell(said.get(column) ?? inline.get(column) ?? "")]
    }
  )
  const remark = remarkOn(new RegExp(`^create table public\\.${name} \\(`))
  return [
    `### ${name}`,
    ...(remark === "" ? [] : [cell(remark)]),
    table(["Column", "Type", "Meaning"], rows)
  ].join("\n\n")
}

/** Returns the `--` comments on a table's columns, from its `create table`. */
const remarksOfColumns = (name: string): ReadonlyMap<string, string> => {
  for (const { sql } of migrations) {
    const at = sql.indexOf(`create table public.${name} (`)
    if (at === -1) continue
    const body = sql.slice(at, sql.indexOf("\n);", at))
    return new Map(
      [...body.matchAll(/^ {2}"?(\w+)"? .*?-- (.+)$/gm)].map(([, column = "", remark = ""]) => [
        column,
        remark
      ])
    )
  }
  return new Map()
}

const viewSection = (text: string, dump: string): string => {
  const name = /^create view public\.(\w+)/.exec(text)?.[1] ?? ""
  const said = new RegExp(`comment on view public\\.${name} is\\s+'((?:[^']|'')*)'`).exec(
    migrations.map(({ sql }) => sql).join("\n") + dump
  )
  return [`### ${name}`, cell((said?.[1] ?? "").replaceAll("''", "'"))].join("\n\n")
}

export const sqlPage = (dump: string): string => {
  const blocks = blocksOf(dump)
  const functions = blocks.filter((text) => text.startsWith("CREATE OR REPLACE FUNCTION public."))
  return page([
    generated("SQL", "supabase/migrations and supabase/schema.sql"),
    "This page lists Sync Scheduler's objects in schema `public`. Functions are called by RPC with the secret key and return one `jsonb` value; `anon` and `authenticated` cannot call them. Objects in schema `sync_scheduler` are private. To print an object's current definition: `sync-scheduler schema print --only <name>`.",
    "## Functions",
    ...functions.map(functionSection),
    "## Views",
    ...blocks
      .filter((text) => text.startsWith("create view public."))
      .map((text) => viewSection(text, dump)),
    "## Tables",
    ...blocks.filter((text) => text.startsWith("create table public.")).map(tableSection)
  ])
}
