import { Context, type Effect } from "effect"
import type { Rpc } from "../Database/Rpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/**
 * The database, reduced to one operation: a call to a SQL function that returns a decoded result. The engine therefore runs
 * unchanged on supabase-js (SupabaseLive), a direct connection (PostgresLive) and PGlite (EmbeddedLive).
 */
export class Supabase extends Context.Tag("@sync-scheduler/Supabase")<
  Supabase,
  {
    /**
     * Calls the function once, in its own transaction, which is committed by the time the response arrives. *Fails with*
     * SupabaseError; its reason says whether the call may have been committed. *Guarantees*: succeeds only with a decoded result,
     * never merely because there was no error. Makes one attempt without hidden retries. Limits the time and the bytes read.
     */
    readonly call: <A, R>(rpc: Rpc<A, R>, args: A) => Effect.Effect<R, SupabaseError>
  }
>() {}
