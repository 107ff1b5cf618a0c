const OTHERS = "public, anon, authenticated"

/** Splits the dump into views, functions, and tables. A table includes its indexes, triggers and grants. */
export const blocksOf = (dump: string): ReadonlyArray<string> =>
  dump.split(/\n\n(?=create |CREATE OR REPLACE FUNCTION |-- sequence )/)

const HEAD = /^(?:create (?:table|view|type)|CREATE OR REPLACE FUNCTION) (?:public\.)?([\w.]+)/

/** Returns the names of tables, views, functions, indexes and triggers. */
export const namesIn = (dump: string): ReadonlyArray<string> => [
  ...blocksOf(dump).flatMap((block) => HEAD.exec(block)?.[1] ?? []),
  ...[...dump.matchAll(/^CREATE (?:UNIQUE )?(?:INDEX|TRIGGER) (\w+)/gm)].flatMap(
    ([, name]) => name ?? []
  )
]

/**
 * Returns the statements that recreate a function, table, view or index, or the column or trigger `table.name`. The statements
 * first revoke the grants of other roles. Returns undefined for an unknown name.
 */
export const definitionOf = (dump: string, name: string): string | undefined => {
  const plain = name.replace(/^public\./, "").replace(/\(.*$/, "")
  const blocks = blocksOf(dump)
  const whole = blocks.filter((block) => HEAD.exec(block)?.[1] === plain)
  if (whole.length > 0) return whole.map(closed).join("\n\n")
  const [table = "", part = ""] = plain.split(".")
  const index = new RegExp(`^CREATE (?:UNIQUE )?INDEX ${escaped(plain)} ON .*;$`, "m").exec(dump)
  if (index !== null) return index[0]
  const block = blocks.find((one) => HEAD.exec(one)?.[1] === table)
  if (block === undefined || part === "") return undefined
  const trigger = new RegExp(`^CREATE TRIGGER ${escaped(part)} .*;$`, "m").exec(block)
  if (trigger !== null) return trigger[0]
  const column = new RegExp(`^ {2}(${escaped(part)} .*?)(?: not null)?,?$`, "m").exec(block)
  return column === null ? undefined : `alter table public.${table} add column ${column[1] ?? ""};`
}

const escaped = (text: string): string => text.replace(/[^\w]/g, "\\$&")

/** Adds revoke statements, because a new object receives the project's default grants. */
const closed = (block: string): string => {
  const grants = block.search(/^grant /m)
  const [, kind, name] =
    /^(create (?:table|view)|CREATE OR REPLACE FUNCTION) ([\w.]+)/.exec(block) ?? []
  if (kind === undefined) return block
  const target = kind.endsWith("FUNCTION") ? `function ${name}` : name
  const revoke = `revoke all on ${target} from ${OTHERS};`
  return grants === -1
    ? `${block}\n${revoke}`
    : `${block.slice(0, grants)}${revoke}\n${block.slice(grants)}`
}
