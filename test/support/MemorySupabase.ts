import { Effect, Schema } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import {
  type MemoryFunctions,
  type OpenOptionsJson,
  Raised,
  type ResultJson,
  type SlotJson
} from "./MemoryFunctions.ts"

/** Arguments as they travel: JSON. The decoding is what a mistyped call would fail on. */
const Arguments = {
  open_sync_tick: Schema.Struct({ p_tick_id: Schema.String, p_options: Schema.Unknown }),
  read_due_integrations: Schema.Struct({
    p_limit: Schema.Int,
    p_cursor: Schema.optional(Schema.String),
    p_org_id: Schema.optional(Schema.String),
    p_integration_ids: Schema.optional(Schema.Array(Schema.String))
  })
}

const one = <A>(value: unknown): A => value as A

/** Calls one mirrored SQL function with JSON arguments, and answers JSON. */
export const callMemory = (
  functions: MemoryFunctions,
  name: string,
  args: Record<string, unknown>
): unknown => {
  switch (name) {
    case "open_sync_tick": {
      const a = Schema.decodeUnknownSync(Arguments.open_sync_tick)(args)
      return functions.openTick(a.p_tick_id, one<OpenOptionsJson>(a.p_options))
    }
    case "read_due_integrations": {
      const a = Schema.decodeUnknownSync(Arguments.read_due_integrations)(args)
      return functions.readDue(a.p_limit, a.p_cursor ?? null, {
        org_id: a.p_org_id,
        integration_ids: a.p_integration_ids
      })
    }
    case "read_pending_runs":
      return functions.readPending(
        one(args.p_limit),
        one(args.p_adopt_after_seconds),
        { org_id: one(args.p_org_id), integration_ids: one(args.p_integration_ids) },
        one<ReadonlyArray<string> | undefined>(args.p_exclude) ?? []
      )
    case "claim_sync_runs":
      return functions.claim(
        one(args.p_engine_id),
        one(args.p_claim_token),
        one<ReadonlyArray<SlotJson>>(args.p_slots)
      )
    case "start_sync_runs":
      return functions.start(
        one(args.p_engine_id),
        one(args.p_starts),
        one(args.p_adopt_after_seconds)
      )
    case "settle_sync_runs":
      return functions.settle(
        one<ReadonlyArray<ResultJson & { run_id: string; lease_token: string }>>(
          args.p_settlements
        ),
        one(args.p_quiescence_seconds)
      )
    case "release_sync_claims":
      return functions.release(one(args.p_engine_id), one(args.p_run_ids))
    case "finish_sync_tick":
      return functions.finishTick(one(args.p_tick_id), args.p_summary)
    case "begin_sync_run":
      return functions.begin(one(args.p_run_id), one(args.p_lease_token), one(args.p_nonce ?? null))
    case "heartbeat_sync_run":
      return functions.heartbeat(one(args.p_run_id), one(args.p_lease_token))
    case "complete_sync_run":
      return functions.complete(
        one(args.p_run_id),
        one(args.p_lease_token),
        one(args.p_status),
        one(args.p_error ?? null),
        args.p_response ?? null
      )
    default:
      throw new Raised(`function public.${name} does not exist`)
  }
}

/** What happens around a call: faults are put in here. The default is that nothing does. */
export type Carrier = (
  name: string,
  execute: Effect.Effect<unknown, SupabaseError>
) => Effect.Effect<unknown, SupabaseError>

/** The Supabase port over MemoryDatabase: arguments and answers pass through JSON, as over any wire. */
export const memorySupabase = (
  functions: MemoryFunctions,
  carry: Carrier = (_name, execute) => execute
): typeof Supabase.Service =>
  Supabase.of({
    call: (rpc, args) =>
      Effect.gen(function* () {
        const encoded = yield* Schema.encode(rpc.args)(args).pipe(Effect.orDie)
        const execute = Effect.suspend(() => {
          try {
            const json: Record<string, unknown> = JSON.parse(JSON.stringify(encoded))
            return Effect.succeed(JSON.parse(JSON.stringify(callMemory(functions, rpc.name, json))))
          } catch (error) {
            if (!(error instanceof Raised)) return Effect.die(error)
            return new SupabaseError({
              operation: rpc.name,
              reason: "Rejected",
              code: "P0001",
              detail: error.message
            })
          }
        })
        const answer = yield* carry(rpc.name, execute)
        return yield* Schema.decodeUnknown(rpc.result)(answer).pipe(
          Effect.mapError(
            (error) =>
              new SupabaseError({
                operation: rpc.name,
                reason: "Malformed",
                code: "DECODE",
                detail: error.message
              })
          )
        )
      })
  })
