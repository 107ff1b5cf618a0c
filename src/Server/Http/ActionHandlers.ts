import { HttpApiBuilder, HttpApiError, type HttpServerRequest } from "@effect/platform"
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { causeKey, retryableRun } from "../../Domain/StateCause.ts"
import { type Action, type ActionName, act } from "../../Operator/Actions.ts"
import { type Access, CurrentPrincipal, requireOperator, requireOwnForm } from "./Access.ts"
import { Act, Api, OperatorOnly } from "./Api.ts"
import { formField, isForm, requireForm } from "./Form.ts"
import type { HttpError } from "./HttpError.ts"
import { unavailable } from "./PageHandlers.ts"
import { Site } from "./PageRequest.ts"
import type { QueryCache } from "./QueryCache.ts"
import { orUnavailable } from "./QueryHandlers.ts"
import { localPath, redirectResponse } from "./Responses.ts"

interface Requested extends Pick<Action, "action" | "id" | "reason"> {
  /** The name by which a program identifies itself. */
  readonly actor?: string | undefined
}

const performAction = (views: QueryCache, { actor: given, ...requested }: Requested) =>
  Effect.gen(function* () {
    const principal = yield* CurrentPrincipal
    const actor =
      principal._tag === "Operator" && principal.session !== null
        ? `${principal.session.actor} (page)`
        : `${given ?? "admin token"} (api)`
    const report = yield* orUnavailable(views.read(act({ ...requested, actor })))
    const { action, id } = requested
    const outcome = report.done ? "done" : report.reason
    yield* Effect.logInfo("Operator action").pipe(
      Effect.annotateLogs({ action, id, actor, outcome })
    )
    return report
  })

/**
 * Handles the actions for programs and for forms. After a form submission, redirects the browser to the page named in the form.
 */
export const actionHandlers = (views: QueryCache, access: Access) => {
  const handle =
    (action: ActionName) =>
    ({ path: { id }, payload, request }: ActionRequest) =>
      Effect.gen(function* () {
        const report = yield* performAction(views, { action, id, ...payload })
        if (report.done) {
          return isForm(request) ? redirectResponse(localPath(yield* formField("next"))) : report
        }
        const { reason } = report
        return yield* Effect.fail(reason === "not_found" ? { ...report, reason } : report)
      })
  return HttpApiBuilder.group(Api, "acting", (handlers) =>
    handlers
      .handle("trigger", handle("trigger"))
      .handle("pause", handle("pause"))
      .handle("resume", handle("resume"))
      .handle("retry", handle("retry"))
      .handle("release", handle("release"))
  ).pipe(Layer.provide(Layer.succeed(OperatorOnly, mayAct(access))))
}

const mayAct = (access: Access) => Effect.zipRight(requireOperator(access), requireOwnForm)

interface ActionRequest {
  readonly path: { readonly id: string }
  readonly payload: typeof Act.Type
  readonly request: HttpServerRequest.HttpServerRequest
}

/** The maximum number of runs to retry per request. */
const MAX_RETRIED = 1_000
/** How long one request can retry runs, in milliseconds. The rest of the time limit is for the calls in progress. */
const RETRY_FOR_MS = 10_000

/**
 * Retries the failed runs that share a cause, then redirects to the overview, which shows how many were retried. If there is not
 * enough time for all runs, a second request retries the rest. *Fails with* HttpError if no run could be retried.
 */
export const retryCause = (views: QueryCache) =>
  Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + RETRY_FOR_MS
    yield* mayAct((yield* Site).access)
    yield* requireForm
    const { reason } = yield* decodeReason({ reason: yield* formField("reason") })
    const cause = yield* formField("cause")
    const { integrations } = yield* Effect.mapError(views.overview({}), unavailable)
    const runs = integrations
      .filter((one) => causeKey(one) === cause)
      .flatMap((one) => retryableRun(one) ?? [])
      .slice(0, MAX_RETRIED)
    const isRetried = yield* Effect.forEach(
      runs,
      ({ run_id }) =>
        performAction(views, { action: "retry", id: run_id, reason }).pipe(
          Effect.map((report) => report.done),
          Effect.orElseSucceed(() => false),
          Effect.whenEffect(Effect.map(Clock.currentTimeMillis, (now) => now < until)),
          Effect.map(Option.getOrElse(() => false))
        ),
      { concurrency: 4 }
    )
    const done = isRetried.filter(Boolean).length
    return done === 0
      ? yield* Effect.fail(noneRetried)
      : redirectResponse(`/?did=retried-${done}-of-${runs.length}`)
  }).pipe(Effect.catchTag("ParseError", HttpApiError.HttpApiDecodeError.refailParseError))

const decodeReason = Schema.decode(Act.pick("reason"))

const noneRetried: HttpError = {
  status: 409,
  code: "NOT_POSSIBLE",
  message: "No failed run of this cause can be retried now",
  hint: "Check the overview: the runs may already have been retried."
}
