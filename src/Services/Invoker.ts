import { Context, type Effect } from "effect"
import type { InvokeError } from "../Domain/Errors.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Invocation } from "../Domain/Run.ts"

/** The result of a function's first contact in a tick. `cold` is the function's own report of a cold start, or null without one. */
export interface WarmUp {
  readonly latencyMs: number
  readonly ok: boolean
  readonly cold: boolean | null
  readonly detail: string | null
  /** True if the function must not be invoked (Domain/FunctionAccess). Nothing was sent, and `detail` says why. */
  readonly isRefused?: boolean
  /** The answer, if one arrived. `platformCode` is its header `sb-error-code`. */
  readonly answer?: { readonly status: number; readonly platformCode: string | null }
}

/** The Integration Edge Functions. */
export class Invoker extends Context.Tag("@sync-scheduler/Invoker")<
  Invoker,
  {
    /**
     * Calls the function once for a run and judges the answer. Never retries, because Domain/Retry decides that. *Fails with*
     * InvokeError if no answer arrived; its reason says whether the function may have run.
     */
    readonly invoke: (invocation: Invocation) => Effect.Effect<Outcome, InvokeError>
    /**
     * Warms the function up with an OPTIONS request, which cannot start a sync. Never fails; `ok` says whether the warm-up
     * succeeded.
     */
    readonly warmUp: (functionName: string | null) => Effect.Effect<WarmUp>
  }
>() {}
