import { HttpApiSchema } from "@effect/platform"
import { Schema } from "effect"

/** The reason for a failed request. `code` is stable, and `hint` tells the client how to fix the request. */
export const HttpError = Schema.Struct({
  status: Schema.Literal(400, 401, 403, 404, 405, 409, 414, 415, 421, 500, 503),
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String,
  headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  /** The action's report, which replaces the error in JSON responses. */
  report: Schema.optional(Schema.Unknown)
})
export type HttpError = typeof HttpError.Type

/** Returns an error as JSON, with the fields of a command-line error. */
export const errorsOf = <Code extends string>({
  code,
  hint,
  message
}: Pick<HttpError, "message" | "hint"> & { readonly code: Code }) => ({
  errors: [{ code, message, hint }] as const
})

const declare = <
  const Status extends HttpError["status"],
  const Codes extends readonly [string, ...Array<string>]
>(
  status: Status,
  title: string,
  ...codes: Codes
) => {
  const fields = {
    code: Schema.Literal(...codes),
    message: Schema.String,
    hint: Schema.String
  }
  const json = Schema.Struct({ errors: Schema.NonEmptyArray(Schema.Struct(fields)) })
  return Schema.transform(
    json.annotations({ identifier: title }),
    Schema.Struct({ status: Schema.Literal(status), ...fields }).annotations({
      description: title
    }),
    { strict: true, decode: ({ errors: [error] }) => ({ status, ...error }), encode: errorsOf }
  ).annotations(HttpApiSchema.annotations({ status }))
}

export const BadRequest = declare(400, "BadRequest", "USAGE")
export const Unauthorized = declare(401, "Unauthorized", "TOKEN_REQUIRED", "TOKEN_REFUSED")
export const Forbidden = declare(
  403,
  "Forbidden",
  "ACTIONS_OFF",
  "TOKEN_REQUIRED",
  "TOKEN_REFUSED",
  "OTHER_SITE",
  "FORM_EXPIRED"
)
export type Forbidden = typeof Forbidden.Type
export const NotFound = declare(404, "NotFound", "NOT_FOUND")
export const Unavailable = declare(
  503,
  "Unavailable",
  "SUPABASE_UNREACHABLE",
  "KEY_REFUSED",
  "MIGRATIONS_MISSING",
  "DATABASE_REFUSED_CALL",
  "UNEXPECTED_ANSWER"
)

export const notFound: typeof NotFound.Type = {
  status: 404,
  code: "NOT_FOUND",
  message: "Nothing was found at this address",
  hint: "The status page is at /; the API is described in /api/openapi.json."
}

export const badRequest = (why: string): typeof BadRequest.Type => ({
  status: 400,
  code: "USAGE",
  message: `The request is invalid: ${why}`,
  hint: "The correct format is described in /api/openapi.json."
})
