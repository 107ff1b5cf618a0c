import { HttpServerRequest, UrlParams } from "@effect/platform"
import { Effect, Option } from "effect"
import type { HttpError } from "./HttpError.ts"

const FORM = "application/x-www-form-urlencoded"

export const isForm = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() === FORM

export const requireForm: Effect.Effect<void, HttpError, HttpServerRequest.HttpServerRequest> =
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    isForm(request) ? Effect.void : Effect.fail(notAForm)
  )

/** Returns a field of the form; empty if the field is missing. *Dies with* RequestError if the body cannot be read. */
export const formField = (
  name: string
): Effect.Effect<string, never, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ urlParamsBody }) =>
    Effect.orDie(urlParamsBody)
  ).pipe(Effect.map((fields) => Option.getOrElse(UrlParams.getFirst(fields, name), () => "")))

const notAForm: HttpError = {
  status: 415,
  code: "USAGE",
  message: "The request does not contain a form",
  hint: `Send ${FORM}.`
}
