import { Context, type Effect } from "effect"
import type { NotifyError } from "../Domain/Errors.ts"

/** `start`: a tick has begun. `ok`: the tick has done its work. `fail`: the tick could not do its work. */
export type PingSignal = "start" | "ok" | "fail"

/** The dead man's switch: a service that alerts when ticks stop. */
export class Ping extends Context.Tag("@sync-scheduler/Ping")<
  Ping,
  {
    readonly isConfigured: boolean
    /**
     * Pings once, within 5 s; does nothing if not configured. `tickId` is a UUID that connects a tick's pings. The service shows
     * `body`.
     * *Fails with* NotifyError.
     */
    readonly send: (
      signal: PingSignal,
      tickId: string,
      body: string
    ) => Effect.Effect<void, NotifyError>
  }
>() {}
