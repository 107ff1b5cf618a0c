import { Cause, Effect, Fiber } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { Summary } from "../Domain/Summary.ts"
import { Ping, type PingSignal } from "../Services/Ping.ts"

/** The time limit for all notifications after a tick, in milliseconds. */
export const NOTIFY_WITHIN_MS = 10_000

export type StartedPing = Fiber.RuntimeFiber<void>

/** Sends a tick's `start` ping in a separate fiber, so that a slow ping does not delay the tick. */
export const pingStart = (tickId: string): Effect.Effect<StartedPing, never, Ping> =>
  Effect.forkDaemon(ping("start", tickId, ""))

/** Waits for the tick's `start` ping, then sends the `ok` or `fail` ping. */
export const pingEnd = (started: StartedPing, summary: Summary): Effect.Effect<void, never, Ping> =>
  Effect.zipRight(
    Fiber.await(started),
    ping(summary.ok ? "ok" : "fail", summary.tick_id, lineOf(summary))
  )

/** Limits an effect to NOTIFY_WITHIN_MS, even if the effect does not respond to interruption. */
export const withinLimit = <A, R>(
  notifying: Effect.Effect<A, never, R>
): Effect.Effect<void, never, R> =>
  notifying.pipe(
    Effect.disconnect,
    Effect.timeoutTo({
      duration: NOTIFY_WITHIN_MS,
      onSuccess: () => Effect.void,
      onTimeout: () =>
        Effect.logWarning(`Alerts and pings were stopped after ${NOTIFY_WITHIN_MS / 1_000} s.`)
    }),
    Effect.flatten
  )

/** Logs errors and never fails. */
export const ping = (
  signal: PingSignal,
  tickId: string,
  body: string
): Effect.Effect<void, never, Ping> =>
  Effect.flatMap(Ping, (service) => service.send(signal, tickId, body)).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.void
        : Effect.logWarning(`The ping "${signal}" was not accepted: ${textOf(Cause.squash(cause))}`)
    )
  )

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const lineOf = (summary: Summary): string => {
  const { completed, drift, due, duration_ms, errors, failed, missed, skipped, unresolved } =
    summary
  const counts = `${due} due: ${completed} completed, ${failed} failed, ${unresolved} unresolved, ${skipped} skipped, ${missed} missed`
  const late =
    drift.over_threshold > 0 ? `; latest start ${Duration.format(drift.max_ms)} late` : ""
  const codes = [...new Set(errors.map(({ code }) => code))]
  return `${counts}, in ${Duration.format(duration_ms)}${late}${codes.length > 0 ? `; errors: ${codes.join(", ")}` : ""}`
}
