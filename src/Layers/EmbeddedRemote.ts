import { Effect, Layer, Schema } from "effect"
import type { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import type { Supabase } from "../Services/Supabase.ts"
import { ResultRows, type RunStatement, servicesOver } from "./EmbeddedCalls.ts"

/** The address and the key of a running `serve --demo`, for commands on the same machine. */
export interface RunningDemo {
  readonly url: string
  readonly key: string
}

const Answer = Schema.Union(
  Schema.Struct({ rows: ResultRows }),
  Schema.Struct({
    failure: Schema.Struct({
      reason: Schema.Literal(
        "NotExecuted",
        "Ambiguous",
        "Refused",
        "Missing",
        "Rejected",
        "Malformed"
      ),
      code: Schema.String,
      detail: Schema.String
    })
  })
)
const decode = Schema.decodeUnknown(Answer)

/** Sends statements over the loopback interface to a running `serve --demo`, because only that process can open the directory. */
export const layer = (demo: RunningDemo): Layer.Layer<Supabase | EmbeddedDatabase> =>
  Layer.succeedContext(servicesOver(runAt(demo)))

const runAt =
  ({ key, url }: RunningDemo): RunStatement =>
  (sql, parameters) =>
    Effect.tryPromise({
      try: async (signal) => {
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
        const body = JSON.stringify({ sql, parameters })
        const response = await fetch(url, { method: "POST", headers, body, signal })
        return response.json()
      },
      catch: (error) => ({
        reason: "Ambiguous" as const,
        code: "demo",
        detail: `serve --demo no longer answers: ${error instanceof Error ? error.message : String(error)}`
      })
    }).pipe(
      Effect.flatMap((answer) => Effect.orDie(decode(answer))),
      Effect.flatMap((answer) =>
        "rows" in answer ? Effect.succeed(answer.rows) : Effect.fail(answer.failure)
      )
    )
