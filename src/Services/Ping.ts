import { Context, type Effect } from "effect"
import type { NotifyError } from "../Domain/Errors.ts"

/** What a ping reports: a tick has begun, has done its work, or could not do its work. */
export type PingSignal = "start" | "ok" | "fail"

/** The dead man's switch: a service that alerts when ticks stop. */
export class Ping extends Context.Tag("@sync-scheduler/Ping")<
  Ping,
  {
    /** Whether a dead man's switch is configured. If not, `send` does nothing. */
    readonly isConfigured: boolean
    /**
     * Pings once, within 5 s. `tickId` (a UUID) connects the pings at the start and the end of a tick. The service shows `body`
     * with the ping.
     * *Fails with* NotifyError.
     */
    readonly send: (
      signal: PingSignal,
      tickId: string,
      body: string
    ) => Effect.Effect<void, NotifyError>
  }
>() {}
