import { Context, Effect, Schema } from "effect"
import { callError, encodeArguments } from "../Database/RpcCall.ts"
import { decodeRowsOf, statementOf } from "../Database/RpcStatement.ts"
import { SupabaseError } from "../Domain/Errors.ts"
import { traced } from "../Domain/Tracing.ts"
import { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import { Supabase } from "../Services/Supabase.ts"

export type EmbeddedFailure = Pick<SupabaseError, "reason" | "code" | "detail">

export const ResultRows = Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

/** Runs one statement in the embedded database, which might run in another process. */
export type RunStatement = (
  sql: string,
  parameters: ReadonlyArray<unknown>
) => Effect.Effect<typeof ResultRows.Type, EmbeddedFailure>

export const servicesOver = (run: RunStatement): Context.Context<Supabase | EmbeddedDatabase> => {
  const supabase = Supabase.of({
    call: (rpc, args) =>
      Effect.gen(function* () {
        const { text, parameters } = statementOf(rpc, yield* encodeArguments(rpc, args))
        const rows = yield* Effect.mapError(run(text, parameters), (failure) =>
          callError(rpc, failure.reason, failure.code, failure.detail)
        )
        return yield* decodeRowsOf(rpc, rows)
      }).pipe(traced(rpc.name))
  })
  const database = EmbeddedDatabase.of({
    query: (sql, parameters = []) => Effect.mapError(run(sql, parameters), failedAt("query"))
  })
  return Context.make(Supabase, supabase).pipe(Context.add(EmbeddedDatabase, database))
}

export const failedAt = (operation: string) => (failure: EmbeddedFailure) =>
  new SupabaseError({ operation, ...failure })
