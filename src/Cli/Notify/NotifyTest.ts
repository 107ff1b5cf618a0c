import { Clock, Effect, Either, Layer, Schema } from "effect"
import { ConfigError, inspect } from "../../Config/Load.ts"
import { table as settings } from "../../Config.ts"
import type { Alert } from "../../Domain/Alert.ts"
import type { NotifyError } from "../../Domain/Errors.ts"
import { IdGenerator } from "../../Domain/IdGenerator.ts"
import { Notifier } from "../../Services/Notifier.ts"
import { Ping } from "../../Services/Ping.ts"
import type { Main } from "../Command.ts"
import { configError, usageError } from "../Failure.ts"
import { safe } from "../Style.ts"
import { renderTable } from "../Table.ts"
import type { Terminal } from "../Terminal.ts"

/** `detail` is empty if the receiver accepted the message. */
const Result = Schema.Struct({
  channel: Schema.Literal("cloudevents", "slack", "ping"),
  message: Schema.Literal("opened", "resolved", "start", "ok"),
  ok: Schema.Boolean,
  detail: Schema.String
})
type Result = typeof Result.Type

export const json = Schema.Array(Result)

/** `notify test`: sends a test alert, its recovery and the pings of one tick, and shows the results. */
export const main: Main = ({ sources, terminal, layers }) =>
  Effect.gen(function* () {
    const inspection = inspect(sources())
    const problems = inspection.problems.filter(({ key }) => OURS.has(key))
    if (problems.length > 0) return yield* Effect.fail(configError(new ConfigError({ problems })))
    const notifications = Layer.unwrapEffect(
      Effect.promise(() => layers.notifications(inspection.settings))
    )
    const results = yield* Effect.provide(sendAll, notifications)
    if (results.length === 0) return yield* Effect.fail(nobody)
    yield* printResults(results, terminal)
    return results.every(({ ok }) => ok) ? (0 as const) : (3 as const)
  })

const OURS: ReadonlySet<string> = new Set(
  [
    settings.alertWebhookUrl,
    settings.alertWebhookSecret,
    settings.alertFormat,
    settings.pingUrl
  ].map(({ key }) => key)
)

const nobody = usageError(
  "neither an alert destination nor a dead man's switch is configured",
  `Set ${settings.alertWebhookUrl.key} to the URL of a webhook, such as a Slack incoming webhook. Set ${settings.pingUrl.key} to the ping URL of Healthchecks or a similar service.`
)

const sendAll = Effect.gen(function* () {
  const notifier = yield* Notifier
  const ping = yield* Ping
  const id = (yield* IdGenerator).next()
  const { channel } = notifier
  const alerts = channel === null ? [] : (["opened", "resolved"] as const)
  const now = yield* Clock.currentTimeMillis
  const sent = yield* Effect.forEach(alerts, (transition) => {
    const alert = testAlert(transition, id, now)
    const sending = notifier.send({ _tag: "One", alert, incidentIds: [] })
    return Effect.map(Effect.either(sending), resultOf(channel ?? "cloudevents", transition))
  })
  const signals = ping.isConfigured ? (["start", "ok"] as const) : []
  const pinged = yield* Effect.forEach(signals, (signal) =>
    Effect.map(Effect.either(ping.send(signal, id, "a test of the ping")), resultOf("ping", signal))
  )
  return [...sent, ...pinged]
})

const resultOf =
  (channel: Result["channel"], message: Result["message"]) =>
  (sent: Either.Either<void, NotifyError>): Result => ({
    channel,
    message,
    ok: Either.isRight(sent),
    detail: Either.isLeft(sent) ? sent.left.message : ""
  })

const testAlert = (transition: Alert["transition"], subject: string, now: number): Alert => ({
  incident_id: 0,
  transition,
  kind: "test",
  subject,
  opened_at: now,
  resolved_at: transition === "resolved" ? now : null,
  announced: true,
  occurrences: 1,
  detail: {},
  integration: null,
  run: null
})

const printResults = (results: ReadonlyArray<Result>, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(results)
    if (terminal.format === "jsonl") {
      return yield* Effect.forEach(results, terminal.printJson, { discard: true })
    }
    const rows = results.map(({ channel, detail, message, ok }) => [
      { text: CHANNELS[channel] },
      { text: message },
      ok
        ? ({ text: "✓ accepted", paint: "green" } as const)
        : ({ text: `✗ ${safe(detail)}`, paint: "red" } as const)
    ])
    const columns = [{ title: "CHANNEL" }, { title: "MESSAGE" }, { title: "RESULT" }]
    yield* terminal.print(renderTable(columns, rows, terminal.style, terminal.width).join("\n"))
    const missing = [
      ...(results.some(({ channel }) => channel !== "ping") ? [] : [settings.alertWebhookUrl.key]),
      ...(results.some(({ channel }) => channel === "ping") ? [] : [settings.pingUrl.key])
    ]
    for (const key of missing) terminal.note(`note: ${key} is not set, so nothing was sent there`)
  })

const CHANNELS: Record<Result["channel"], string> = {
  cloudevents: "webhook",
  slack: "Slack",
  ping: "ping"
}
