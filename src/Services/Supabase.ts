import { Context, type Effect } from "effect"
import type { Rpc } from "../Database/Rpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/** Calls SQL functions over supabase-js (SupabaseLive), a direct connection (PostgresLive) or PGlite (EmbeddedLive). */
export class Supabase extends Context.Tag("@sync-scheduler/Supabase")<
  Supabase,
  {
    /**
     * Calls the function once, in its own transaction, which is committed before the response is sent.
     * *Fails with* SupabaseError; its reason says whether the call might have been committed.
     * *Guarantees*: succeeds only with a decoded result. Makes one attempt, with limits on the time and the bytes read.
     */
    readonly call: <A, R>(rpc: Rpc<A, R>, args: A) => Effect.Effect<R, SupabaseError>
  }
>() {}
