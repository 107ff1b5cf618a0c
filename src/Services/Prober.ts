import { Context, type Effect } from "effect"
import type { ProbeError } from "../Domain/Errors.ts"
import type { ProbeTarget } from "../Domain/Health/ApiHost.ts"
import type { VendorAnswer } from "../Domain/Health/Provider.ts"

export interface ProbeAnswer extends VendorAnswer {
  /** The time until the response headers arrived, in milliseconds. Includes name resolution. */
  readonly latencyMs: number
}

/** Checks from this machine whether an accounting API can be reached. */
export class Prober extends Context.Tag("@sync-scheduler/Prober")<
  Prober,
  {
    /**
     * Sends one request over https to a public address, without credentials or retries. Follows no redirects. Limits the time
     * and the bytes read.
     * *Fails with* ProbeError; its reason says whether the address was rejected or why there was no response.
     */
    readonly probe: (target: ProbeTarget) => Effect.Effect<ProbeAnswer, ProbeError>
  }
>() {}
