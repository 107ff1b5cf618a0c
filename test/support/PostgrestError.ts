import { SQL } from "bun"
import type { RpcFunction } from "./RpcFunction.ts"

/** PostgREST's error body. */
export interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly details: string | null
  readonly hint: string | null
}

/** An error answer as PostgREST gives it. */
export const errorAnswer = (
  status: number,
  code: string,
  message: string,
  details: string | null = null,
  hint: string | null = null
): Response => {
  const body: ErrorBody = { code, message, details, hint }
  return Response.json(body, { status })
}

// The first match decides. Source: https://docs.postgrest.org/en/v14/references/errors.html#http-status-codes
const STATUSES: ReadonlyArray<readonly [prefix: string, status: number]> = [
  ["08", 503],
  ["09", 500],
  ["0L", 403],
  ["0P", 403],
  ["23503", 409],
  ["23505", 409],
  ["25006", 405],
  ["25", 500],
  ["28", 403],
  ["2D", 500],
  ["38", 500],
  ["39", 500],
  ["3B", 500],
  ["40", 500],
  ["53400", 500],
  ["53", 503],
  ["54", 500],
  ["55", 500],
  ["57", 500],
  ["58", 500],
  ["F0", 500],
  ["HV", 500],
  ["P0001", 400],
  ["P0", 500],
  ["42883", 404],
  ["42P01", 404],
  ["42P17", 500]
]

/** The HTTP status of an SQLSTATE. `PTxyz` is the function's own choice of one. */
export const statusOf = (sqlstate: string, role: string): number => {
  if (sqlstate === "42501") return role === "anon" ? 401 : 403
  const chosen = /^PT([2-5]\d\d)$/.exec(sqlstate)?.[1]
  if (chosen !== undefined) return Number(chosen)
  return STATUSES.find(([prefix]) => sqlstate.startsWith(prefix))?.[1] ?? 400
}

/** The answer to a call whose SQL failed, or whose connection was not there or was lost (ambiguous: PGRST001). */
export const sqlErrorAnswer = (error: unknown, role: string): Response => {
  if (!(error instanceof SQL.PostgresError)) throw error
  if (error.errno !== undefined) {
    const { errno, message, detail, hint } = error
    return errorAnswer(statusOf(errno, role), errno, message, detail || null, hint || null)
  }
  return NEVER_CONNECTED.has(error.code)
    ? errorAnswer(503, "PGRST000", "Database connection error. Retrying the connection.")
    : errorAnswer(503, "PGRST001", "Database client error. Retrying the connection.", error.message)
}

const NEVER_CONNECTED = new Set([
  "ERR_POSTGRES_CONNECTION_REFUSED",
  "ERR_POSTGRES_CONNECTION_TIMEOUT"
])

/** No function of that name takes these arguments. Worded as PostgREST does; it also guesses at similar names. */
export const functionMissing = (
  fn: string,
  given: ReadonlySet<string>,
  others: ReadonlyArray<RpcFunction>
): Response => {
  const names = [...given].toSorted()
  const name = `public.${fn}`
  const listed = names.join(", ")
  const [nearest] = others
  return errorAnswer(
    404,
    "PGRST202",
    `Could not find the function ${name}${names.length === 0 ? " without parameters" : `(${listed})`} in the schema cache`,
    `Searched for the function ${name}${
      names.length === 0
        ? " without parameters"
        : ` with parameter${names.length > 1 ? "s" : ""} ${listed}`
    } or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.`,
    nearest === undefined
      ? null
      : `Perhaps you meant to call the function ${name}(${nearest.args
          .map((arg) => arg.name)
          .toSorted()
          .join(", ")})`
  )
}

/** Several overloads take these arguments. */
export const functionAmbiguous = (fn: string, fitting: ReadonlyArray<RpcFunction>): Response => {
  const signatures = fitting.map(
    ({ args }) => `public.${fn}(${args.map((arg) => `${arg.name} => ${arg.type}`).join(", ")})`
  )
  return errorAnswer(
    300,
    "PGRST203",
    `Could not choose the best candidate function between: ${signatures.join(", ")}`,
    null,
    "Try renaming the parameters or the function itself in the database so function overloading can be resolved"
  )
}
