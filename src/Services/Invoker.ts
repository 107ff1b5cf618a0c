import { Context, type Effect } from "effect"
import type { InvokeError } from "../Domain/Errors.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Invocation } from "../Domain/Run.ts"

/** How a function's first contact in a tick went. `cold` is what the function said of itself, null when it did not. */
export interface WarmUp {
  readonly latencyMs: number
  readonly ok: boolean
  readonly cold: boolean | null
  readonly detail: string | null
  /** What was answered, when anything was; `platformCode` is its header `sb-error-code`. */
  readonly answer?: { readonly status: number; readonly platformCode: string | null }
}

/** The Integration Edge Functions. */
export class Invoker extends Context.Tag("@sync-scheduler/Invoker")<
  Invoker,
  {
    /**
     * Calls the function once for this run and judges its answer. Never retries: that is Domain/Retry's decision.
     * *Fails with* InvokeError when no answer came; its reason says whether the function may have run.
     */
    readonly invoke: (invocation: Invocation) => Effect.Effect<Outcome, InvokeError>
    /** Wakes the function with OPTIONS, which cannot export anything. Never fails; `ok` says how it went. */
    readonly warmUp: (functionName: string | null) => Effect.Effect<WarmUp>
  }
>() {}
