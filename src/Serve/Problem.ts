import { HttpApiSchema } from "@effect/platform"
import { Schema } from "effect"

/** Errors as the command line prints them with `-o json`: what failed and why, and how to fix it, under a stable code. */
const problem = <const Codes extends readonly [string, ...Array<string>]>(
  status: number,
  title: string,
  ...codes: Codes
) =>
  Schema.Struct({
    errors: Schema.Array(
      Schema.Struct({
        code: Schema.Literal(...codes),
        message: Schema.String,
        hint: Schema.String
      })
    )
  }).annotations({ identifier: title, ...HttpApiSchema.annotations({ status }) })

/** The request itself cannot be used. */
export const BadRequest = problem(400, "BadRequest", "USAGE")
/** Who has to show the token first. */
export const Unauthorized = problem(401, "Unauthorized", "TOKEN_REQUIRED", "TOKEN_REFUSED")
/** The settings, or who asks, do not allow it. */
export const Forbidden = problem(
  403,
  "Forbidden",
  "ACTIONS_OFF",
  "TOKEN_REQUIRED",
  "TOKEN_REFUSED",
  "OTHER_SITE",
  "FORM_EXPIRED"
)
/** There is no such thing. */
export const NotFound = problem(404, "NotFound", "NOT_FOUND")
/** The state of things does not allow it now. */
export const Conflict = problem(409, "Conflict", "NOT_POSSIBLE")
/** The database did not give what was asked for. */
export const Unavailable = problem(
  503,
  "Unavailable",
  "SUPABASE_UNREACHABLE",
  "KEY_REFUSED",
  "MIGRATIONS_MISSING",
  "DATABASE_REFUSED_CALL",
  "UNEXPECTED_ANSWER"
)
