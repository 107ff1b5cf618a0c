import { Context, type Effect } from "effect"
import type { NotifyError } from "../Domain/Errors.ts"

/** What a ping says: a tick begins, it did its work, or it could not. */
export type PingSignal = "start" | "ok" | "fail"

/** The dead man's switch: who raises the alarm when ticks stop coming. */
export class Ping extends Context.Tag("@sync-scheduler/Ping")<
  Ping,
  {
    /** Whether there is one; if not, `send` does nothing. */
    readonly isConfigured: boolean
    /**
     * Pings once, in at most 5 s. `tickId` (a UUID) ties start and end together; `body` is shown beside the ping.
     * *Fails with* NotifyError.
     */
    readonly send: (
      signal: PingSignal,
      tickId: string,
      body: string
    ) => Effect.Effect<void, NotifyError>
  }
>() {}
