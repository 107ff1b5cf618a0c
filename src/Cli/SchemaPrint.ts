import { Effect } from "effect"
import { nearest } from "../Domain/Suggestion.ts"
import { definitions, migrations } from "../Migrations.ts"
import type { Main } from "./Command.ts"
import { usageError } from "./Failure.ts"
import { definitionOf, namesIn } from "./SchemaDefinition.ts"

/**
 * `schema print`: the migrations, exactly and in order, so that they can be piped into psql; those after a version, or
 * the present definition of single objects.
 */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const only = given.values("only")
    if (only.length > 0) {
      for (const name of only) {
        const sql = definitionOf(definitions, name)
        if (sql === undefined) return yield* Effect.fail(unknownObject(name))
        yield* terminal.format === "text" ? terminal.print(sql) : terminal.printJson({ name, sql })
      }
      return 0 as const
    }
    const after = given.value("after") ?? ""
    if (after !== "" && !migrations.some(({ version }) => version === after)) {
      return yield* Effect.fail(unknownVersion(after))
    }
    const wanted = migrations.filter(({ version }) => version > after)
    if (terminal.format === "json") {
      yield* terminal.printJson(wanted)
    } else if (terminal.format === "jsonl") {
      for (const migration of wanted) yield* terminal.printJson(migration)
    } else {
      for (const { sql } of wanted) yield* terminal.print(sql.replace(/\n$/, ""))
    }
    return 0 as const
  })

const unknownObject = (name: string) => {
  const meant = nearest(name.replace(/^public\./, ""), namesIn(definitions))
  return usageError(
    `nothing in the schema is called "${name}"`,
    meant === undefined
      ? "Write the name of a table, index, trigger, column (table.column) or function."
      : `Did you mean ${meant}?`
  )
}

const unknownVersion = (version: string) =>
  usageError(
    `there is no migration ${version}`,
    `Write a version that this binary has, such as ${migrations[0]?.version ?? ""}; doctor says which one the database is at.`
  )
