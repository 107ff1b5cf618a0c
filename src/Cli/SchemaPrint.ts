import { Effect } from "effect"
import { migrations } from "../Migrations.ts"
import type { Main } from "./Command.ts"

/** `schema print`: the migrations, exactly and in order, so that they can be piped into psql. */
export const main: Main = ({ terminal }) =>
  Effect.gen(function* () {
    if (terminal.format === "json") {
      yield* terminal.printJson(migrations)
    } else if (terminal.format === "jsonl") {
      for (const migration of migrations) yield* terminal.printJson(migration)
    } else {
      for (const { sql } of migrations) yield* terminal.print(sql.replace(/\n$/, ""))
    }
    return 0 as const
  })
