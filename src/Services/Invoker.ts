import { Context, type Effect } from "effect"
import type { InvokeError } from "../Domain/Errors.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Invocation } from "../Domain/Run.ts"

/** The result of a tick's first request to a function. `cold` is null if the function does not report whether it started cold. */
export interface WarmUp {
  readonly latencyMs: number
  readonly ok: boolean
  readonly cold: boolean | null
  readonly detail: string | null
  /** Whether the function must not be invoked (Domain/FunctionAccess). Nothing was sent, and `detail` says why. */
  readonly isRefused?: boolean
  /** The response, if there was one. `platformCode` is its `sb-error-code` header. */
  readonly answer?: { readonly status: number; readonly platformCode: string | null }
}

/** The Integration Edge Functions. */
export class Invoker extends Context.Tag("@sync-scheduler/Invoker")<
  Invoker,
  {
    /**
     * Calls the function once for a run. *Fails with* InvokeError if there was no response; the reason says whether the function
     * might have run.
     */
    readonly invoke: (invocation: Invocation) => Effect.Effect<Outcome, InvokeError>
    /** Warms up the function with an OPTIONS request, which cannot start a sync. Never fails. */
    readonly warmUp: (functionName: string | null) => Effect.Effect<WarmUp>
  }
>() {}
