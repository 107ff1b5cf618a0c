import { SQL } from "bun"

export const POSTGREST = "14.9"
export const JSON_TYPE = "application/json; charset=utf-8"

export interface ErrorDetails {
  readonly details?: string | null
  readonly hint?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

export const errorAnswer = (
  status: number,
  code: string,
  message: string,
  { details = null, hint = null, headers = {} }: ErrorDetails = {}
): Response =>
  new Response(JSON.stringify({ code, details, hint, message }), {
    status,
    headers: {
      "Content-Type": JSON_TYPE,
      "Proxy-Status": `PostgREST; error=${code}`,
      Server: `postgrest/${POSTGREST}`,
      // PostgREST always sends a Retry-After of 0 with a 503.
      ...(status === 503 ? { "Retry-After": "0" } : {}),
      ...(status === 401 ? { "WWW-Authenticate": challenge(code, message) } : {}),
      ...headers
    }
  })

const challenge = (code: string, message: string): string =>
  code.startsWith("PGRST3")
    ? `Bearer error="invalid_token", error_description="${message}"`
    : "Bearer"

// The first match determines the status. Source: https://docs.postgrest.org/en/v14/references/errors.html#http-status-codes
const STATUSES: ReadonlyArray<readonly [prefix: string, status: number]> = [
  ["08", 503],
  ["09", 500],
  ["0L", 403],
  ["0P", 403],
  ["21", 500],
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
  ["57P01", 503],
  ["57", 500],
  ["58", 500],
  ["F0", 500],
  ["HV", 500],
  ["P0001", 400],
  ["P0", 500],
  ["XX", 500],
  ["42883", 404],
  ["42P01", 404],
  ["42P17", 500]
]

/** With `PTxyz`, a function can choose any status that Response supports. */
export const statusOf = (sqlstate: string, message: string, role: string): number => {
  if (sqlstate === "42501") return role === "anon" ? 401 : 403
  if (sqlstate === "22023" && /^role ".*" does not exist$/.test(message)) return 401
  if (sqlstate === "21000" && message.endsWith("requires a WHERE clause")) return 400
  if (sqlstate.startsWith("PT")) return Number(/^PT([2-5]\d\d)$/.exec(sqlstate)?.[1] ?? 500)
  return STATUSES.find(([prefix]) => sqlstate.startsWith(prefix))?.[1] ?? 400
}

export const sqlErrorAnswer = (error: SQL.PostgresError, role: string): Response => {
  const { detail, errno = "", hint, message } = error
  if (errno === "PGRST") return chosenAnswer(message, detail ?? "")
  return errorAnswer(statusOf(errno, message, role), errno, message, {
    details: detail ?? null,
    hint: hint ?? null
  })
}

/** With `raise sqlstate 'PGRST'`, a function specifies the whole response in the error's message and detail. */
const chosenAnswer = (message: string, detail: string): Response => {
  const body = JSON.parse(message)
  const { headers, status } = JSON.parse(detail)
  return errorAnswer(status, body.code, body.message, { ...body, headers })
}

/** Returns whether the connection was lost during a statement, which might have been executed. */
export const isLost = (error: unknown): boolean =>
  error instanceof SQL.PostgresError &&
  (error.errno === undefined || ("severity" in error && error.severity === "FATAL"))

export const connectionLost = (): Response =>
  errorAnswer(503, "PGRST001", "Database client error. Retrying the connection.", {
    details: "no connection to the server\n"
  })

/** The server process died between two statements of the call without sending an error. */
export const diedSilently = (): Response => errorAnswer(400, "", "")

export const notConnected = (databaseUrl: string, error: unknown): Response => {
  const { hostname, port } = new URL(databaseUrl)
  const why =
    error instanceof SQL.PostgresError && error.errno !== undefined
      ? `FATAL:  ${error.message}\n`
      : "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
  return errorAnswer(503, "PGRST000", "Database connection error. Retrying the connection.", {
    details: `connection to server at "${hostname}", port ${port} failed: ${why}`
  })
}

export const schemaCacheAway = (): Response =>
  errorAnswer(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")

export const poolExhausted = (): Response =>
  errorAnswer(504, "PGRST003", "Timed out acquiring connection from connection pool.")
