import { Context, type Effect } from "effect"
import type { InvokeError } from "../Domain/Errors.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Invocation } from "../Domain/Run.ts"

/**
 * The result of a tick's first request to a function. `cold` says whether the function started cold; null if the function does not
 * report this.
 */
export interface WarmUp {
  readonly latencyMs: number
  readonly ok: boolean
  readonly cold: boolean | null
  readonly detail: string | null
  /** True if the function must not be invoked (Domain/FunctionAccess). Nothing was sent, and `detail` says why. */
  readonly isRefused?: boolean
  /** The response, if one arrived. `platformCode` is its `sb-error-code` header. */
  readonly answer?: { readonly status: number; readonly platformCode: string | null }
}

/** The Integration Edge Functions. */
export class Invoker extends Context.Tag("@sync-scheduler/Invoker")<
  Invoker,
  {
    /**
     * Calls the function once for a run and determines the outcome. Never retries, because Domain/Retry controls retries. *Fails
     * with* InvokeError if no response arrived; its reason says whether the function may have run.
     */
    readonly invoke: (invocation: Invocation) => Effect.Effect<Outcome, InvokeError>
    /**
     * Warms up the function with an OPTIONS request, which cannot start a sync. Never fails; `ok` says whether the warm-up
     * succeeded.
     */
    readonly warmUp: (functionName: string | null) => Effect.Effect<WarmUp>
  }
>() {}
