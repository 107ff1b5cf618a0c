import { Clock, Effect, Layer, Schema } from "effect"
import { loadProject } from "../../Config/Load.ts"
import { table } from "../../Config.ts"
import { readInvocation } from "../../Database/OperatorRpc.ts"
import { rough } from "../../Domain/Duration.ts"
import { IdGenerator } from "../../Domain/IdGenerator.ts"
import { type Outcome, ofError } from "../../Domain/Outcome.ts"
import { type RunVerdict, runVerdictOf } from "../../Domain/RunVerdict.ts"
import { displayName } from "../../Operator/NameResolver.ts"
import { Invoker } from "../../Services/Invoker.ts"
import { Supabase } from "../../Services/Supabase.ts"
import type { Main } from "../Command.ts"
import { databaseError } from "../Database.ts"
import { type CommandError, configError, usageError } from "../Failure.ts"
import { safe } from "../Style.ts"
import { target } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"

export const json = Schema.Struct({
  org_id: Schema.String,
  integration_id: Schema.String,
  integration_type: Schema.String,
  url: Schema.String,
  idempotency_key: Schema.String,
  duration_ms: Schema.Number,
  http_status: Schema.NullOr(Schema.Int),
  outcome: Schema.Literal("Completed", "Accepted", "Failed", "NotExecuted", "Unknown"),
  code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  /** Null if the response does not determine the outcome. */
  response: Schema.Unknown,
  status: Schema.Literal("completed", "failed", "unknown", "pending", "running"),
  retried: Schema.Boolean,
  sentence: Schema.String
})
type Report = typeof json.Type

/**
 * `invoke`: calls a local function once, as a run would, and interprets the response. Records nothing. Exits with 3 if the call
 * did not complete.
 */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const { arguments: given, sources, terminal, layers } = cli
    const url = yield* localUrl(given.value("local"))
    const flags = { [table.functionUrl.key]: url }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    const engine = Layer.unwrapEffect(Effect.promise(() => layers.engine(project)))
    return yield* Effect.gen(function* () {
      const named = yield* target(given.positionals[0] ?? "", given.positionals[1])
      const report = yield* invoke(named.integration_id, url, project.settings.invokeTimeout)
      yield* print(report, displayName(named), terminal)
      return report.status === "completed" || report.status === "running" ? 0 : 3
    }).pipe(Effect.provide(Layer.mapError(engine, databaseError)))
  })

const invoke = (
  integrationId: string,
  url: string,
  timeout: number
): Effect.Effect<Report, CommandError, Supabase | Invoker> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const { invoke: send } = yield* Invoker
    const { fenced, now, on_unknown, run } = yield* Effect.mapError(
      supabase.call(readInvocation, { p_integration_id: integrationId }),
      databaseError
    )
    if (run === null) {
      return yield* Effect.fail(usageError("The integration has just been deleted", ""))
    }
    const timeoutMs = run.invoke_timeout_ms ?? timeout
    const token = yield* IdGenerator
    const startedAt = yield* Clock.currentTimeMillis
    const outcome = yield* Effect.catchAll(
      send({
        run: { ...run, lease_token: token.next() },
        functionName: null,
        deadline: now + timeoutMs,
        timeoutMs,
        isTrial: true
      }),
      (error) => Effect.succeed(ofError(error))
    )
    const verdict = runVerdictOf(outcome, {
      began: fenced,
      reported: null,
      onUnknown: on_unknown,
      attempt: run.attempt,
      maxAttempts: run.max_attempts
    })
    const { idempotency_key, integration_id, integration_type, org_id } = run
    return {
      ...{ org_id, integration_id, integration_type, url, idempotency_key },
      duration_ms: (yield* Clock.currentTimeMillis) - startedAt,
      ...judged(outcome, verdict)
    }
  })

const judged = (outcome: Outcome, { isRetried, sentence, status }: RunVerdict) => ({
  http_status: outcome.httpStatus,
  outcome: outcome._tag,
  code: "code" in outcome ? outcome.code : null,
  message: "message" in outcome ? outcome.message : null,
  response: "response" in outcome ? outcome.response : null,
  status,
  retried: isRetried,
  sentence
})

/** Accepts only functions on this machine, because the call can have the same effects as a run. */
const localUrl = (given: string | undefined): Effect.Effect<string, CommandError> => {
  const url = URL.parse(given ?? "")
  const isHttp = url !== null && /^https?:$/.test(url.protocol)
  if (given === undefined || !isHttp) {
    return Effect.fail(
      usageError(
        given === undefined ? "invoke needs --local <url>" : "--local is not an http URL",
        "Give the URL of the served function: --local http://127.0.0.1:54321/functions/v1/integration-sync"
      )
    )
  }
  return LOOPBACK.test(url.hostname)
    ? Effect.succeed(url.href)
    : Effect.fail(
        usageError(
          `--local is not on this machine: ${safe(url.hostname)}`,
          "A trial can export real data. For a hosted function, use: sync-scheduler trigger <org> --wait"
        )
      )
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

const MARKS: Record<Report["status"], string> = {
  completed: "✓",
  running: "…",
  failed: "✗",
  unknown: "?",
  pending: "↻"
}

const print = (report: Report, label: string, terminal: Terminal): Effect.Effect<void> => {
  if (terminal.format !== "text") return terminal.printJson(report)
  const { code, duration_ms, http_status, message, response, sentence, status } = report
  const { dim, green, red, yellow } = terminal.style
  const paint = status === "completed" ? green : status === "failed" ? red : yellow
  const answer = http_status === null ? "no answer" : `HTTP ${http_status}`
  return terminal.print(
    [
      `${safe(label)}, a trial: nothing is recorded`,
      dim(`POST ${report.url}`),
      "",
      `${paint(`${MARKS[status]} ${status}`)}  ${answer} in ${rough(duration_ms)}${code === null ? "" : `  ${safe(code)}`}`,
      `  ${sentence}`,
      ...(message === null ? [] : [`  ${safe(message)}`]),
      ...(response === null ? [] : [dim(`  ${safe(JSON.stringify(response)).slice(0, 2_000)}`)]),
      ...(message?.includes("trials_are_local") === true ? [NOT_LOCAL] : [])
    ].join("\n")
  )
}

const NOT_LOCAL =
  "  The function's SUPABASE_URL does not point to a local stack. Serve it with: supabase functions serve"
