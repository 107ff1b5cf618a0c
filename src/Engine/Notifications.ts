import { Cause, Effect, Fiber } from "effect"
import { type AlertMessage, type Delivery, messagesOf } from "../Domain/Alert.ts"
import { NotifyError } from "../Domain/Errors.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { AlertQueue } from "../Services/AlertQueue.ts"
import { Notifier } from "../Services/Notifier.ts"
import { Ping } from "../Services/Ping.ts"
import { measuredPing, measuredTick, withCallMetrics } from "./EngineMetrics.ts"
import { ping, pingEnd, pingStart, withinLimit } from "./Pings.ts"
import type { TickOptions } from "./TickFrame.ts"

/** The time limit for sending an alert, in milliseconds. The rest of NOTIFY_WITHIN_MS is for recording the results. */
const SEND_WITHIN_MS = 7_000

/**
 * Runs a tick and sends its notifications. Pings the dead man's switch: `start` before the tick, `ok` or `fail` after the tick.
 * Sends one alert for each opened or closed incident, including alerts that earlier ticks could not send.
 *
 * *Guarantees*: never fails. Notifications take at most 10 s after the tick's work and do not change the tick's result.
 * Notification errors are logged. A later tick retries a failed alert. An interrupted tick sends no notification.
 */
export const tickAndNotify = Effect.fn("Engine.tickAndNotify")(
  function* (options: TickOptions = {}) {
    const tickId = options.tickId ?? (yield* IdGenerator).next()
    const started = options.startedPing ?? (yield* pingStart(tickId))
    const told = Effect.gen(function* () {
      const summary = yield* measuredTick({ ...options, tickId }).pipe(
        Effect.tapErrorCause((cause) =>
          Cause.isInterrupted(cause)
            ? Effect.void
            : withinLimit(ping("fail", tickId, "a bug in the engine"))
        )
      )
      const notifying = [pingEnd(started, summary), sendAlerts]
      yield* withinLimit(Effect.all(notifying, { concurrency: "unbounded", discard: true }))
      return summary
    })
    return yield* Effect.ensuring(told, Fiber.interruptFork(started))
  },
  Effect.updateService(Ping, measuredPing)
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
      Effect.logWarning(`An alert could not be sent; it will be retried later: ${error}`)
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
  Effect.flatMap(Notifier, (notifier) =>
    withCallMetrics(notifier.channel)(notifier.send(message))
  ).pipe(
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
  detail: `no complete response within ${SEND_WITHIN_MS} ms`,
  retryAfterMs: null
})
