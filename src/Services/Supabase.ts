import { Context, type Effect } from "effect"
import type { Rpc } from "../Database/Rpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/**
 * The database as a narrow port: its only operation calls a SQL function and decodes the one answer. The same engine therefore runs
 * over supabase-js (SupabaseLive), a direct connection (PostgresLive) and PGlite (EmbeddedLive).
 */
export class Supabase extends Context.Tag("@sync-scheduler/Supabase")<
  Supabase,
  {
    /**
     * Calls the function once, in its own transaction that is committed when the answer arrives.
     * *Fails with* SupabaseError; its reason says whether the call may have been committed. *Guarantees*: success is a
     * decoded answer, never merely the absence of an error; one attempt, no hidden retry; bounded in time and bytes.
     */
    readonly call: <A, AI, R, RI>(
      rpc: Rpc<A, AI, R, RI>,
      args: A
    ) => Effect.Effect<R, SupabaseError>
  }
>() {}
