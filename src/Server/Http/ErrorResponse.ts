import {
  HttpApiError,
  type HttpApp,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { Cause, Clock, Effect, Schema } from "effect"
import { ActionReport } from "../../Operator/Actions.ts"
import { faultPage } from "../Pages/PlainPage.ts"
import { badRequest, errorsOf, HttpError, notFound } from "./HttpError.ts"
import { frameOf, Site } from "./PageRequest.ts"

/**
 * Chooses the response format: HTML if the client accepts HTML, JSON if the path is under `/api` or the client accepts JSON, and
 * text otherwise.
 */
export const negotiate = ({
  headers,
  url
}: HttpServerRequest.HttpServerRequest): "json" | "html" | "text" => {
  const accepted = headers.accept ?? ""
  if (/\btext\/html\b/.test(accepted)) return "html"
  return url.startsWith("/api/") || /\bapplication\/json\b/.test(accepted) ? "json" : "text"
}

/** Converts every failure to a response in the client's format. Logs failures that are bugs. */
export const answerErrors = <R>(
  app: HttpApp.Default<unknown, R>
): HttpApp.Default<never, R | Site> =>
  Effect.catchAllCause(app, (cause) => {
    const error = errorOf(Cause.squash(cause))
    if (error !== null) return errorResponse(error)
    const log = Effect.logError(`A request failed because of a bug: ${Cause.pretty(cause)}`)
    return Effect.zipRight(log, errorResponse(bug))
  })

const isHttpError = Schema.is(HttpError)
const isRefusal = Schema.is(ActionReport.members[1])

/** Returns the HttpError for a failure; null if the failure is a bug. */
const errorOf = (failure: unknown): HttpError | null => {
  if (isHttpError(failure)) return failure
  if (isRefusal(failure)) {
    const { fix: hint, reason, why } = failure
    const status = reason === "not_found" ? 404 : 409
    const code = reason.toUpperCase()
    return { status, code, message: `Nothing was changed: ${why}`, hint, report: failure }
  }
  if (failure instanceof HttpServerError.RouteNotFound) return notFound
  if (failure instanceof HttpServerError.RequestError) {
    return badRequest("the body is neither JSON nor a form")
  }
  if (!(failure instanceof HttpApiError.HttpApiDecodeError)) return null
  const faults = failure.issues
    .slice(0, 3)
    .map(({ message, path }) => `${path.join(".") || "the body"}: ${message.slice(0, 200)}`)
  return badRequest(faults.join("; "))
}

const errorResponse = (error: HttpError) =>
  Effect.gen(function* () {
    const { hint, message, report, status } = error
    const wanted = negotiate(yield* HttpServerRequest.HttpServerRequest)
    const options = { status, headers: error.headers }
    if (wanted === "json") {
      return HttpServerResponse.unsafeJson(report ?? errorsOf(error), options)
    }
    const text = `${status} ${message}\n${hint === "" ? "" : `Fix: ${hint}\n`}`
    return HttpServerResponse.text(wanted === "text" ? text : yield* pageOf(error), {
      ...options,
      contentType: `text/${wanted === "text" ? "plain" : "html"}; charset=utf-8`
    })
  })

const pageOf = ({ hint, message, status }: HttpError): Effect.Effect<string, never, Site> =>
  Effect.zipWith(Site, Clock.currentTimeMillis, (site, now) =>
    faultPage(frameOf({ site, principal: { _tag: "Reader" } }, now, "UTC"), {
      title: TITLES[status] ?? "The request failed",
      message: `${message}.`,
      hint,
      isPassing: status === 503
    })
  )

const TITLES: Readonly<Record<number, string>> = {
  401: "Sign in first",
  403: "Not allowed",
  404: "Not found",
  409: "Not possible now",
  503: "Not available"
}

const bug: HttpError = {
  status: 500,
  code: "BUG",
  message: "The request failed because of a bug in sync-scheduler",
  hint: "The log of serve has the details."
}
