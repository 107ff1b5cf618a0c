import { Context, type Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { Rpc } from "../Domain/Rpc.ts"

/**
 * The database, as a narrow port: call this SQL function with these arguments, decode its one answer. The same engine
 * so runs over supabase-js (SupabaseLive), a direct connection (PostgresLive) and PGlite (EmbeddedLive).
 */
export class Supabase extends Context.Tag("@sync-scheduler/Supabase")<
  Supabase,
  {
    /**
     * Calls the function once, in a transaction of its own that is committed when the answer arrives.
     * *Fails with* SupabaseError; its reason says whether the call may have been committed. *Guarantees*: success is a
     * decoded answer, never merely the absence of an error; one attempt, no hidden retry; bounded in time and bytes.
     */
    readonly call: <A, AI, R, RI>(
      rpc: Rpc<A, AI, R, RI>,
      args: A
    ) => Effect.Effect<R, SupabaseError>
  }
>() {}
