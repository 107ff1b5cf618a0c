import { Effect } from "effect"
import { decodeAnswer, encodeArguments, type RpcArguments } from "../../src/Database/RpcCall.ts"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { type MemoryFunctions, Raised } from "./MemoryFunctions.ts"

/** Transports one call, and can inject faults. The response is JSON text, as on a real network. */
export type Carrier = (
  name: string,
  execute: Effect.Effect<string, SupabaseError>,
  args: RpcArguments
) => Effect.Effect<string, SupabaseError>

export const executeMemory = (
  functions: MemoryFunctions,
  name: string,
  args: RpcArguments
): Effect.Effect<string, SupabaseError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(JSON.stringify(functions.call(name, args)))
    } catch (error) {
      return error instanceof Raised ? rejected(name, error.message) : Effect.die(error)
    }
  })

export const rejected = (operation: string, detail: string): SupabaseError =>
  new SupabaseError({ operation, reason: "Rejected", code: "P0001", detail })

export const memorySupabase = (
  functions: MemoryFunctions,
  carry: Carrier = (_name, execute) => execute
): typeof Supabase.Service =>
  Supabase.of({
    call: (rpc, args) =>
      encodeArguments(rpc, args).pipe(
        Effect.flatMap((json) => carry(rpc.name, executeMemory(functions, rpc.name, json), json)),
        Effect.flatMap((text) => decodeAnswer(rpc, JSON.parse(text)))
      )
  })
