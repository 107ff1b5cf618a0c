import { Schema } from "effect"

/** The scheduler's objects in a database (`sync_scheduler.catalog`). */
export const SchemaCatalog = Schema.Struct({
  /** A 14-digit version; null if the scheduler is not installed. */
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
export type SchemaCatalog = typeof SchemaCatalog.Type

/** An object of the schema. `print` is the fingerprint of its definition; null if unknown. */
export interface Item {
  readonly kind: "function" | "table" | "view" | "column" | "index" | "trigger"
  /** The qualified name, for example `public.sync_tick.engine_id` or `public.begin_sync_run(p_run_id uuid, ...)`. */
  readonly name: string
  readonly table: string | null
  readonly print: string | null
}

/**
 * An object that the migrations create. `since` is the migration that creates the object, and `changed` is the last migration
 * that changes it.
 */
export const ExpectedItem = Schema.Struct({
  kind: Schema.Literal("function", "table", "view", "column", "index", "trigger"),
  name: Schema.String,
  table: Schema.NullOr(Schema.String),
  print: Schema.NullOr(Schema.String),
  since: Schema.String,
  changed: Schema.String
})
export type ExpectedItem = typeof ExpectedItem.Type

/** Tables that a project can already have before the scheduler is installed. Their column types and constraints can differ. */
const ADOPTABLE: ReadonlySet<string> = new Set([
  "public.organization_integrations",
  "public.sync_run_log"
])

/** Returns the functions, tables, views, columns, indexes and triggers as one list. */
export const itemsOf = ({ functions, tables }: SchemaCatalog): ReadonlyArray<Item> => [
  ...functions.map(({ args, definer, name, source }): Item => {
    const print = source === null ? null : `${source}${definer ? " definer" : ""}`
    // Removes `public.`, because PostgreSQL shows this prefix only with some search paths.
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
      // The primary key of an adopted table can have a different name.
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

/** `found` is null if the object does not exist. */
export interface Drift {
  readonly expected: ExpectedItem
  readonly found: Item | null
}

/** Returns the objects that are missing or were changed by hand. Ignores additional objects, which belong to the project. */
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
      // If the table is missing, its columns, indexes and triggers are not listed.
      return item.table === null || isThere(item.table) ? [{ expected: item, found: null }] : []
    }
    const isSame = item.print === null || found.print === null || item.print === found.print
    return isSame || item.changed > version ? [] : [{ expected: item, found }]
  })
}

export const namesOf = (expected: ReadonlyArray<ExpectedItem>): ReadonlyArray<string> => [
  ...new Set(
    expected.flatMap(({ kind, name }) => {
      const isNamed = kind === "function" || kind === "table" || kind === "view"
      const [, plain] = /^public\.(\w+)/.exec(name) ?? []
      return isNamed && plain !== undefined ? [plain] : []
    })
  )
]
