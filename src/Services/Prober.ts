import { Context, type Effect } from "effect"
import type { ProbeTarget } from "../Domain/ApiHost.ts"
import type { ProbeError } from "../Domain/Errors.ts"
import type { VendorAnswer } from "../Domain/Provider.ts"

/** How an API answered a probe. */
export interface ProbeAnswer extends VendorAnswer {
  /** Until the head of the answer, name resolution included. */
  readonly latencyMs: number
}

/** Whoever looks whether an accounting API can be reached, from this machine. */
export class Prober extends Context.Tag("@sync-scheduler/Prober")<
  Prober,
  {
    /**
     * Sends one request, without credentials, and reads little of its answer. *Fails with* ProbeError; its reason says whether
     * the address was refused here or nobody answered. *Guarantees*: https only; sent at most once, to no address that is
     * not public; redirects are not followed; bounded in time and bytes.
     */
    readonly probe: (target: ProbeTarget) => Effect.Effect<ProbeAnswer, ProbeError>
  }
>() {}
