import { createClient } from "@supabase/supabase-js"
import { Effect, Redacted, Schema } from "effect"
import { make } from "../../src/Database/Rpc.ts"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { Supabase } from "../../src/Services/Supabase.ts"

export interface CallTarget {
  readonly name: string
  readonly url: string
  readonly key: string
  readonly client: "ours" | "theirs"
  readonly timeoutMs: number
}

/** Verdicts by project name, such as `ok` or `Ambiguous no_answer`. */
export type Verdicts = Record<string, string>

const rpc = make({
  name: "double",
  readOnly: false,
  types: { p_n: "integer" },
  args: () => Schema.Struct({ p_n: Schema.Int }),
  result: () => Schema.Number
})

const layerFor = ({ url, key, client, timeoutMs }: CallTarget) =>
  client === "theirs"
    ? SupabaseLive.fromClient(createClient(url, key), { timeoutMs })
    : SupabaseLive.layer({ url, key: Redacted.make(key), version: "1.2.3", timeoutMs })

/** Also runs in Deno. */
export const callAll = async (targets: ReadonlyArray<CallTarget>): Promise<Verdicts> => {
  const verdicts: Verdicts = {}
  for (const target of targets) {
    const call = Effect.flatMap(Supabase, (supabase) => supabase.call(rpc, { p_n: 2 })).pipe(
      Effect.map((four) => (four === 4 ? "ok" : String(four))),
      Effect.catchAll((error) => Effect.succeed(`${error.reason} ${error.code}`)),
      Effect.provide(layerFor(target))
    )
    verdicts[target.name] = await Effect.runPromise(call)
  }
  return verdicts
}

if (import.meta.main) {
  let input = ""
  for await (const chunk of process.stdin) input += String(chunk)
  const targets: ReadonlyArray<CallTarget> = JSON.parse(input)
  console.log(JSON.stringify(await callAll(targets)))
}
