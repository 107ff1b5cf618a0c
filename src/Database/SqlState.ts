import type { SupabaseError } from "../Domain/Errors.ts"

type Reason = SupabaseError["reason"]

/** The verdict on a failure. `why` explains the cause to the operator. */
export interface CodeVerdict {
  readonly reason: Reason
  readonly why: string
}

/** The statement that restores the service role's permission to call the functions. */
export const GRANT = "grant execute on all functions in schema public to service_role;"

const readOnly = [
  "NotExecuted",
  "the database is read-only: it is a replica, or its disk is full"
] as const

/**
 * The verdict for each SQLSTATE or PostgREST code. A code that is in neither this table nor `classes` means that the database
 * rejected this particular call.
 *
 * *Source*: PostgreSQL appendix A, PostgREST `references/errors`, and the observed behaviour of both servers. A statement that
 * ended with an error was rolled back. A statement whose session ended might have been committed.
 */
const codes: Readonly<Record<string, readonly [Reason, string]>> = {
  PGRST000: ["NotExecuted", "the API could not connect to the database"],
  PGRST001: ["Ambiguous", "the API lost its connection to the database"],
  PGRST002: [
    "NotExecuted",
    "the API could not read the schema because the database is down or starting"
  ],
  PGRST003: ["NotExecuted", "the API had no free connection to the database"],
  PGRST106: ["Missing", "schema public is not among the exposed schemas of the Data API"],
  PGRST202: ["Missing", "the Data API does not know this function"],
  PGRST204: ["Missing", "the Data API does not know this column"],
  PGRST205: ["Missing", "the Data API does not know this table"],
  PGRST300: ["Refused", "the API has no secret for verifying keys"],
  PGRST301: ["Refused", "the key is not valid for this project"],
  PGRST302: ["Refused", "the API requires a key, and received none"],
  PGRST303: ["Refused", "the key's claims are not valid; the key may have expired"],
  PGRSTX00: ["Ambiguous", "the API failed"],
  "08001": ["NotExecuted", "the connection could not be established"],
  "08004": ["NotExecuted", "the server rejected the connection"],
  "25006": readOnly,
  "25P03": ["Ambiguous", "the session was ended by idle_in_transaction_session_timeout"],
  "25P04": ["Ambiguous", "the transaction was ended by transaction_timeout"],
  "26000": ["NotExecuted", "a pooler mixed up sessions before the statement ran"],
  "28000": ["Refused", "the database does not accept this user"],
  "28P01": ["Refused", "the password is wrong"],
  "3D000": ["Missing", "the database named at the end of SUPABASE_DB_URL does not exist"],
  "3F000": ["Missing", "a schema does not exist"],
  "40001": ["NotExecuted", "rolled back in favour of a concurrent transaction"],
  "40003": ["Ambiguous", "the database does not know whether the statement completed"],
  "40P01": ["NotExecuted", "rolled back to resolve a deadlock"],
  "42501": ["Refused", "the role of the key lacks a grant"],
  "42883": ["Missing", "a function does not exist, or takes different arguments"],
  "42P01": ["Missing", "a table does not exist"],
  "55000": ["NotExecuted", "the database currently accepts no connections"],
  "55P03": ["NotExecuted", "a lock was not available in time"],
  "57014": ["NotExecuted", "cancelled or stopped by statement_timeout, then rolled back"],
  "57P03": ["NotExecuted", "the database is starting or stopping"]
}

/**
 * A replica rejects PostgREST's BEGIN ... READ WRITE with 0A000. Any other 0A000 is a bug in the call, such as a write in a
 * function that is declared stable.
 */
const isReplica = (code: string, message: string): boolean =>
  code === "0A000" && message.startsWith("cannot set transaction read-write mode")

/** The verdict for each class of SQLSTATEs. The class is the first two characters of the SQLSTATE. */
const classes: Readonly<Record<string, readonly [Reason, string]>> = {
  "08": ["Ambiguous", "the connection to the database failed"],
  "53": ["NotExecuted", "the database is out of connections, memory or disk"],
  "57": ["Ambiguous", "the session was ended by the server"],
  "58": ["Ambiguous", "the database's machine failed"],
  XX: ["Ambiguous", "the database or its pooler failed"]
}

/**
 * The verdict for each HTTP status that arrives without a PostgREST or PostgreSQL code. Any other status is Ambiguous, because a
 * gateway sent it and might have forwarded the call.
 *
 * *Source*: Supabase's list of HTTP status codes for projects.
 */
const statuses: Readonly<Record<number, readonly [Reason, string]>> = {
  401: ["Refused", "the key is not valid for this project"],
  402: ["Refused", "the project is restricted, for example because it exceeded its quota"],
  403: ["Refused", "the gateway forbids this call"],
  404: ["Malformed", "nothing is served at this address; check SUPABASE_URL"],
  413: ["Rejected", "the request is too large for the gateway"],
  425: ["NotExecuted", "the gateway requires the request to be sent again"],
  429: ["NotExecuted", "the gateway received too many requests"],
  540: ["NotExecuted", "the project is paused"]
}

/** A function raises PostgREST's PTxyz to choose the HTTP status xyz, so the code does not prove that the key was rejected. */
const isChosen = (code: string): boolean => /^PT\d{3}$/.test(code)

/** Requires a digit, because the error code EPIPE also has five characters. */
const isSqlState = (code: string): boolean => /^(?=.*\d)[0-9A-Z]{5}$/.test(code)

/** Returns whether a code comes from PostgreSQL or PostgREST, and not from a gateway. */
export const isKnownKind = (code: string): boolean => isSqlState(code) || code.startsWith("PGRST")

/**
 * Classifies a failed call by its error code or, if the code is unknown, by the HTTP status. A `status` of 0 means that there is
 * none. A failure is Ambiguous unless it is known to be harmless. For example, a 400 with an empty code and message is Ambiguous:
 * PostgREST sends it if the server process died during the call, possibly after the commit.
 *
 * A 401 means that the key was rejected, regardless of the code: PostgREST returns 22023 for a JWT whose role does not exist.
 */
export const judgeCode = (code: string, status: number, message = ""): CodeVerdict => {
  const [reason, why] = verdictOf(code, status, message)
  return { reason, why }
}

const verdictOf = (code: string, status: number, message: string) => {
  const byStatus = statuses[status]
  if (!isKnownKind(code))
    return byStatus ?? (["Ambiguous", "the answer did not come from the API"] as const)
  const byCode = codes[code] ?? (isSqlState(code) ? classes[code.slice(0, 2)] : undefined)
  if (status === 401 && byStatus && byCode?.[0] !== "Refused" && !isChosen(code)) return byStatus
  if (isReplica(code, message)) return readOnly
  return byCode ?? (["Rejected", "the database refused this call"] as const)
}

/** For a read-only database, a direct connection returns 25006, and the Data API returns 0A000. */
export const isReadOnly = ({ code, reason }: Pick<SupabaseError, "code" | "reason">): boolean =>
  reason === "NotExecuted" && (code === "25006" || code === "0A000")

export interface ServerWords {
  readonly message: string
  readonly detail?: string | null | undefined
  readonly hint?: string | null | undefined
}

/** Omits row values, because an integration's config can contain secrets. */
export const explainVerdict = (verdict: CodeVerdict, words: ServerWords): string =>
  [
    `${verdict.why}: ${words.message.trim() || "no text"}`,
    words.detail?.startsWith("Failing row") ? "" : words.detail,
    words.hint
  ]
    .filter((part) => typeof part === "string" && part !== "")
    .join(". ")
