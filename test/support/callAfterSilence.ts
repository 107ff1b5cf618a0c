import { Effect, Redacted, Schema } from "effect"
import { make } from "../../src/Database/Rpc.ts"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { Supabase } from "../../src/Services/Supabase.ts"

export interface Silenced {
  readonly url: string
  readonly key: string
  readonly silenceUrl: string
  readonly timeoutMs: number
}

const whoami = make({
  name: "whoami",
  readOnly: false,
  types: {},
  args: () => Schema.Struct({}),
  result: () => Schema.String
})

/** Makes calls after a proxy has silenced six open connections. Also runs in Deno. */
export const callAfterSilence = (project: Silenced): Promise<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const { call } = yield* Supabase
    const ended = Effect.match(call(whoami, {}), {
      onSuccess: () => "ok",
      onFailure: ({ code }) => code
    })
    yield* Effect.all(
      Array.from({ length: 6 }, () => ended),
      { concurrency: "unbounded" }
    )
    yield* Effect.promise(() => fetch(project.silenceUrl))
    return yield* Effect.all([ended, ended, ended, ended])
  }).pipe(
    Effect.provide(
      SupabaseLive.layer({
        url: project.url,
        key: Redacted.make(project.key),
        version: "1.2.3",
        timeoutMs: project.timeoutMs
      })
    ),
    Effect.runPromise
  )

if (import.meta.main) {
  let input = ""
  for await (const chunk of process.stdin) input += String(chunk)
  console.log(JSON.stringify(await callAfterSilence(JSON.parse(input))))
  process.exit(0)
}
