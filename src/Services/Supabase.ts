import { Context, type Effect } from "effect"
import type { Rpc } from "../Database/Rpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/**
 * The database as a narrow port: its only operation calls a SQL function and decodes its answer. The same engine therefore runs
 * over supabase-js (SupabaseLive), a direct connection (PostgresLive) and PGlite (EmbeddedLive).
 */
export class Supabase extends Context.Tag("@sync-scheduler/Supabase")<
  Supabase,
  {
    /**
     * Calls the function once, in its own transaction, which is committed when the answer arrives.
     * *Fails with* SupabaseError; its reason says whether the call may have been committed. *Guarantees*: success means a decoded
     * answer, not merely the absence of an error. Makes one attempt without hidden retries. Bounded in time and bytes.
     */
    readonly call: <A, AI, R, RI>(
      rpc: Rpc<A, AI, R, RI>,
      args: A
    ) => Effect.Effect<R, SupabaseError>
  }
>() {}
