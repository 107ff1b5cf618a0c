import { Effect, Schema } from "effect"
import { definitions, migrations } from "../../Database/Migrations.ts"
import { closestMatch } from "../../Domain/DidYouMean.ts"
import type { Main } from "../Command.ts"
import { usageError } from "../Failure.ts"
import { definitionOf, namesIn } from "./SchemaDefinition.ts"

/** With `--only`, the list contains objects instead of migrations, and `version` is absent. */
export const json = Schema.Array(
  Schema.Struct({
    version: Schema.optionalWith(Schema.String, { exact: true }),
    name: Schema.String,
    sql: Schema.String
  })
)

/** `schema print`: prints the migrations in order, as input for psql. Each migration is in its own transaction. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const only = given.values("only")
    if (only.length > 0) {
      const found = yield* Effect.forEach(only, (name) => {
        const sql = definitionOf(definitions, name)
        return sql === undefined ? Effect.fail(unknownObject(name)) : Effect.succeed({ name, sql })
      })
      if (terminal.format === "json") yield* terminal.printJson(found)
      else if (terminal.format === "jsonl") {
        yield* Effect.forEach(found, terminal.printJson, { discard: true })
      } else yield* terminal.print(found.map(({ sql }) => sql).join("\n\n"))
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
      for (const { sql } of wanted) yield* terminal.print(`begin;\n${sql}commit;`)
    }
    return 0 as const
  })

const unknownObject = (name: string) => {
  const meant = closestMatch(name.replace(/^public\./, ""), namesIn(definitions))
  return usageError(
    `the schema has no object "${name}"`,
    meant === undefined
      ? "Use the name of a table, index, trigger, column (table.column) or function."
      : `Did you mean ${meant}?`
  )
}

const unknownVersion = (version: string) =>
  usageError(
    `there is no migration ${version}`,
    `Use a version that this binary has, such as ${migrations[0]?.version ?? ""}. To see the version of the database: sync-scheduler doctor`
  )
