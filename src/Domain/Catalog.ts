import { Schema } from "effect"

/** What a database has of ours, as `sync_scheduler.catalog` answers it. */
export const Catalog = Schema.Struct({
  /** 14 digits; null when nothing of ours is installed. */
  schema_version: Schema.NullOr(Schema.String),
  functions: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      args: Schema.String,
      definer: Schema.Boolean,
      source: Schema.NullOr(Schema.String),
      open_to: Schema.Array(Schema.String),
      service: Schema.Boolean
    })
  ),
  tables: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      kind: Schema.String,
      rls: Schema.Boolean,
      columns: Schema.Record({ key: Schema.String, value: Schema.String }),
      indexes: Schema.Record({
        key: Schema.String,
        value: Schema.Struct({ unique: Schema.Boolean, valid: Schema.Boolean })
      }),
      triggers: Schema.Record({ key: Schema.String, value: Schema.Boolean }),
      open_to: Schema.Array(Schema.String),
      service: Schema.Boolean
    })
  )
})
export type Catalog = typeof Catalog.Type

/** One thing in the schema. `print` differs when it is another thing under the same name; null: it cannot be told. */
export interface Item {
  readonly kind: "function" | "table" | "view" | "column" | "index" | "trigger"
  /** `public.sync_tick`, `public.sync_tick.engine_id`, `public.begin_sync_run(p_run_id uuid, ...)`. */
  readonly name: string
  /** The table that it belongs to; null for functions and for tables themselves. */
  readonly table: string | null
  readonly print: string | null
}

/** An item that the migrations make: since which version it is there, and which one changed it last. */
export const ExpectedItem = Schema.Struct({
  kind: Schema.Literal("function", "table", "view", "column", "index", "trigger"),
  name: Schema.String,
  table: Schema.NullOr(Schema.String),
  print: Schema.NullOr(Schema.String),
  since: Schema.String,
  changed: Schema.String
})
export type ExpectedItem = typeof ExpectedItem.Type

/** Tables that a project may have had before: their types and constraints may be their own. */
const ADOPTABLE: ReadonlySet<string> = new Set([
  "public.organization_integrations",
  "public.sync_run_log"
])

/** The catalog as a list of things that can be missed one by one. */
export const itemsOf = ({ functions, tables }: Catalog): ReadonlyArray<Item> => [
  ...functions.map(({ args, definer, name, source }): Item => {
    const print = source === null ? null : `${source}${definer ? " definer" : ""}`
    // A type's schema is shown or not as the session's search path has it.
    const signature = `${name}(${args.replaceAll("public.", "")})`
    return { kind: "function", name: signature, table: null, print }
  }),
  ...tables.flatMap(({ columns, indexes, kind, name, triggers }): ReadonlyArray<Item> => {
    const isOurs = !ADOPTABLE.has(name)
    const own = kind === "view" ? ("view" as const) : ("table" as const)
    return [
      { kind: own, name, table: null, print: kind },
      ...Object.entries(columns).map(
        ([column, type]): Item => ({
          kind: "column",
          name: `${name}.${column}`,
          table: name,
          print: isOurs ? type : null
        })
      ),
      // An adopted table keeps its primary key, whatever that is called.
      ...Object.entries(indexes)
        .filter(([index]) => isOurs || !index.endsWith("_pkey"))
        .map(
          ([index, { unique, valid }]): Item => ({
            kind: "index",
            name: `public.${index}`,
            table: name,
            print: `${unique ? "unique" : "plain"}${valid ? "" : ", not valid"}`
          })
        ),
      ...Object.entries(triggers).map(
        ([trigger, isEnabled]): Item => ({
          kind: "trigger",
          name: `${name}.${trigger}`,
          table: name,
          print: isEnabled ? "on" : "disabled"
        })
      )
    ]
  })
]

/** What is not as the migrations make it. `found` null: it is not there. */
export interface Drift {
  readonly expected: ExpectedItem
  readonly found: Item | null
}

/**
 * What a database misses of its own version, and what was changed by hand: an item that a later migration makes or changes
 * is no drift in an older database. What is there besides is nobody's business but the owner's.
 */
export const driftOf = (
  expected: ReadonlyArray<ExpectedItem>,
  actual: ReadonlyArray<Item>,
  version: string
): ReadonlyArray<Drift> => {
  const there = new Map(actual.map((item) => [`${item.kind} ${item.name}`, item]))
  const isThere = (table: string) => there.has(`table ${table}`) || there.has(`view ${table}`)
  return expected.flatMap((item): ReadonlyArray<Drift> => {
    if (item.since > version) return []
    const found = there.get(`${item.kind} ${item.name}`)
    if (found === undefined) {
      // Of a table that is gone, its columns and indexes are not missed one by one.
      return item.table === null || isThere(item.table) ? [{ expected: item, found: null }] : []
    }
    const isSame = item.print === null || found.print === null || item.print === found.print
    return isSame || item.changed > version ? [] : [{ expected: item, found }]
  })
}

/** The names of tables, views and functions in schema public, as the database is asked for them. */
export const namesOf = (expected: ReadonlyArray<ExpectedItem>): ReadonlyArray<string> => [
  ...new Set(
    expected.flatMap(({ kind, name }) => {
      const isNamed = kind === "function" || kind === "table" || kind === "view"
      const [, plain] = /^public\.(\w+)/.exec(name) ?? []
      return isNamed && plain !== undefined ? [plain] : []
    })
  )
]
