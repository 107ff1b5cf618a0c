import { Cause, Effect, Fiber } from "effect"
import { type AlertMessage, type Delivery, messagesOf } from "../Domain/Alert.ts"
import * as Duration from "../Domain/Duration.ts"
import { NotifyError } from "../Domain/Errors.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import type { Summary } from "../Domain/Summary.ts"
import { AlertQueue } from "../Services/AlertQueue.ts"
import { Notifier } from "../Services/Notifier.ts"
import { Ping, type PingSignal } from "../Services/Ping.ts"
import { measuredTick, withCallMetrics } from "./EngineMetrics.ts"
import type { TickOptions } from "./TickFrame.ts"

/** The time limit of all notifications after a tick, in milliseconds. */
const NOTIFY_WITHIN_MS = 10_000
/**
 * The time limit for sending notifications, in milliseconds. It is shorter than NOTIFY_WITHIN_MS, so that time remains to record
 * the results.
 */
const SEND_WITHIN_MS = 7_000

/**
 * Runs a tick and sends its notifications: pings the dead man's switch (`start` before the tick; `ok` or `fail` after it), and
 * sends one alert for each opened or closed incident, including alerts that earlier ticks could not send.
 *
 * *Guarantees*: never fails, like a tick. Notifications take at most 10 s after the tick's work and do not change the tick's
 * result. Notification errors are logged. The database keeps a failed alert, and a later tick retries it. An interrupted tick sends
 * no notification.
 */
export const tickAndNotify = Effect.fn("Engine.tickAndNotify")(function* (
  options: TickOptions = {}
) {
  const tickId = options.tickId ?? (yield* IdGenerator).next()
  // A slow ping must delay neither the tick nor the caller, so the ping runs in its own fiber.
  const started = yield* Effect.forkDaemon(ping("start", tickId, ""))
  const told = Effect.gen(function* () {
    const summary = yield* measuredTick({ ...options, tickId }).pipe(
      Effect.tapErrorCause((cause) =>
        Cause.isInterrupted(cause)
          ? Effect.void
          : within(ping("fail", tickId, "a bug in the engine"))
      )
    )
    const ended = Effect.zipRight(
      Fiber.await(started),
      ping(summary.ok ? "ok" : "fail", tickId, lineOf(summary))
    )
    yield* within(Effect.all([ended, sendAlerts], { concurrency: "unbounded", discard: true }))
    return summary
  })
  return yield* Effect.ensuring(told, Fiber.interruptFork(started))
})

/** Limits an effect's duration, even if the effect does not respond to interruption. */
const within = <A, R>(notifying: Effect.Effect<A, never, R>): Effect.Effect<void, never, R> =>
  notifying.pipe(
    Effect.disconnect,
    Effect.timeoutOption(NOTIFY_WITHIN_MS),
    Effect.flatMap((result) =>
      result._tag === "Some"
        ? Effect.void
        : Effect.logWarning(`Alerts and pings were stopped after ${NOTIFY_WITHIN_MS / 1_000} s.`)
    )
  )

/** Sends the pending alerts and records the results. Never fails. */
export const sendAlerts: Effect.Effect<void, never, AlertQueue | Notifier> = Effect.gen(
  function* () {
    const notifier = yield* Notifier
    if (notifier.channel === null) return
    const queue = yield* AlertQueue
    const batch = yield* queue.take
    if (batch.total === 0) return
    const deliveries = yield* Effect.forEach(messagesOf(batch), deliver, {
      concurrency: "unbounded"
    })
    const marked = yield* queue.mark(deliveries)
    yield* Effect.forEach(new Set(deliveries.flatMap(({ error }) => error ?? [])), (error) =>
      Effect.logWarning(`An alert could not be sent; it is retried later: ${error}`)
    )
    if (marked.gave_up > 0) {
      yield* Effect.logError(
        `${marked.gave_up} alerts were abandoned after many attempts; they remain in sync_incident.`
      )
    }
  }
).pipe(
  Effect.catchAllCause((cause) =>
    Cause.isInterruptedOnly(cause)
      ? Effect.void
      : Effect.logWarning(
          `Alerts could not be read or recorded; the next tick retries: ${Cause.squash(cause)}`
        )
  )
)

const deliver = (message: AlertMessage): Effect.Effect<Delivery, never, Notifier> =>
  Effect.gen(function* () {
    const notifier = yield* Notifier
    yield* withCallMetrics(notifier.channel)(notifier.send(message))
  }).pipe(
    Effect.timeoutFail({ duration: SEND_WITHIN_MS, onTimeout: () => tooSlow }),
    Effect.catchAllDefect((defect) =>
      Effect.fail(
        new NotifyError({ reason: "NotSent", detail: String(defect), retryAfterMs: null })
      )
    ),
    Effect.match({
      onFailure: ({ message: error, retryAfterMs }) => ({ error, retryAfterMs }),
      onSuccess: () => ({ error: null, retryAfterMs: null })
    }),
    Effect.map((result) => ({ incidentIds: message.incidentIds, ...result }))
  )

const tooSlow = new NotifyError({
  reason: "TimedOut",
  detail: `no complete answer within ${SEND_WITHIN_MS} ms`,
  retryAfterMs: null
})

const ping = (signal: PingSignal, tickId: string, body: string): Effect.Effect<void, never, Ping> =>
  Effect.flatMap(Ping, (service) =>
    withCallMetrics(service.isConfigured ? "ping" : null)(service.send(signal, tickId, body))
  ).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.void
        : Effect.logWarning(`The ping "${signal}" was not accepted: ${textOf(Cause.squash(cause))}`)
    )
  )

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Summarises the tick in one line, for the body of the ping and the log of `serve`. */
export const lineOf = (summary: Summary): string => {
  const { completed, drift, due, duration_ms, errors, failed, missed, skipped, unresolved } =
    summary
  const counts = `${due} due: ${completed} completed, ${failed} failed, ${unresolved} unresolved, ${skipped} skipped, ${missed} missed`
  const late =
    drift.over_threshold > 0 ? `; latest start ${Duration.format(drift.max_ms)} late` : ""
  const codes = [...new Set(errors.map(({ code }) => code))]
  return `${counts}, in ${Duration.format(duration_ms)}${late}${codes.length > 0 ? `; errors: ${codes.join(", ")}` : ""}`
}
