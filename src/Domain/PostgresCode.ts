import type { SupabaseError } from "./Errors.ts"

type Reason = SupabaseError["reason"]

/** What a failure proves, and why, in words for whoever has to act on it. */
export interface CodeVerdict {
  readonly reason: Reason
  readonly why: string
}

/**
 * One row per SQLSTATE or PostgREST code. Codes that are not here say that the database refused this very call.
 *
 * *Source*: PostgreSQL appendix A, PostgREST `references/errors`, and both servers' behaviour. A statement that ended
 * with an error was rolled back; a session that died may have committed.
 */
const codes: Readonly<Record<string, readonly [Reason, string]>> = {
  PGRST000: ["NotExecuted", "the API could not connect to the database"],
  PGRST001: ["Ambiguous", "the API lost its connection to the database"],
  PGRST002: ["NotExecuted", "the API could not read the schema, the database is down or starting"],
  PGRST003: ["NotExecuted", "the API had no free connection to the database"],
  PGRST106: ["Missing", "schema public is not among the exposed schemas of the Data API"],
  PGRST202: ["Missing", "the function is not there"],
  PGRST204: ["Missing", "a column is not there"],
  PGRST205: ["Missing", "a table is not there"],
  PGRST300: ["Refused", "the API has no secret to verify keys with"],
  PGRST301: ["Refused", "the key is not valid for this project"],
  PGRST302: ["Refused", "the API accepts no anonymous calls, and got no key"],
  PGRST303: ["Refused", "the key's claims are not valid, it may have expired"],
  PGRSTX00: ["Ambiguous", "the API failed"],
  "08001": ["NotExecuted", "the connection could not be made"],
  "08004": ["NotExecuted", "the server turned the connection away"],
  "25006": ["NotExecuted", "the database is read-only: a replica, or its disk is full"],
  "25P03": ["Ambiguous", "the session was ended by a timeout"],
  "25P04": ["Ambiguous", "the transaction was ended by a timeout"],
  "26000": ["NotExecuted", "a pooler mixed up sessions before the statement ran"],
  "28000": ["Refused", "the database does not accept this user"],
  "28P01": ["Refused", "the password is wrong"],
  "3D000": ["Missing", "the database named at the end of SUPABASE_DB_URL does not exist"],
  "3F000": ["Missing", "a schema is not there"],
  "40001": ["NotExecuted", "rolled back in favour of a concurrent transaction"],
  "40003": ["Ambiguous", "the database does not know whether it completed"],
  "40P01": ["NotExecuted", "rolled back to resolve a deadlock"],
  "42501": ["Refused", "the key or role may not do this, use the secret (service_role) key"],
  "42883": ["Missing", "a function is not there, or takes other arguments"],
  "42P01": ["Missing", "a table is not there"],
  "55000": ["NotExecuted", "the database accepts no connections for now"],
  "55P03": ["NotExecuted", "a lock was not available in time"],
  "57014": ["NotExecuted", "cancelled, or stopped by statement_timeout, and rolled back"],
  "57P03": ["NotExecuted", "the database is starting or stopping"]
}

/** The same by class: the first two characters of a SQLSTATE. */
const classes: Readonly<Record<string, readonly [Reason, string]>> = {
  "08": ["Ambiguous", "the connection to the database failed"],
  "53": ["NotExecuted", "the database is out of connections, memory or disk"],
  "57": ["Ambiguous", "the session was ended by the server"],
  "58": ["Ambiguous", "the database's machine failed"],
  XX: ["Ambiguous", "the database or its pooler failed"]
}

/**
 * HTTP statuses that mean something without a code of PostgREST or PostgreSQL. Any other came from a gateway that may
 * have passed the call on.
 *
 * *Source*: Supabase's list of HTTP status codes of a project.
 */
const statuses: Readonly<Record<number, readonly [Reason, string]>> = {
  401: ["Refused", "the key is not valid for this project"],
  402: ["Refused", "the project is restricted, for instance beyond its quota"],
  403: ["Refused", "the gateway forbids this call"],
  404: ["Malformed", "nothing is served at this address, check SUPABASE_URL"],
  413: ["Rejected", "the request is too large for the gateway"],
  425: ["NotExecuted", "the gateway asks to send it again"],
  429: ["NotExecuted", "the gateway has had too many requests"],
  540: ["NotExecuted", "the project is paused"]
}

/** A digit is asked for, because EPIPE has five letters too. */
const isSqlState = (code: string): boolean => /^(?=.*\d)[0-9A-Z]{5}$/.test(code)

/** Whether this is a code of PostgreSQL or PostgREST, rather than a gateway's own word. */
export const isKnownKind = (code: string): boolean => isSqlState(code) || code.startsWith("PGRST")

/**
 * Says what an answer's code, else its HTTP status, proves about the call. `status` 0: there was none.
 * Whatever is not known to be harmless is Ambiguous.
 */
export const judgeCode = (code: string, status: number): CodeVerdict => {
  const [reason, why] = isKnownKind(code)
    ? (codes[code] ??
      (isSqlState(code) ? classes[code.slice(0, 2)] : undefined) ?? [
        "Rejected",
        "the database refused this call"
      ])
    : (statuses[status] ?? ["Ambiguous", "the answer is not the API's"])
  return { reason, why }
}

/** What a server says of an error of its own. */
export interface ServerWords {
  readonly message: string
  readonly detail?: string | null | undefined
  readonly hint?: string | null | undefined
}

/** Why, and the server's own words. A row's values are left out: an integration's config may hold secrets. */
export const explainVerdict = (verdict: CodeVerdict, words: ServerWords): string =>
  [
    `${verdict.why}: ${words.message.trim() || "no text"}`,
    words.detail?.startsWith("Failing row") ? "" : words.detail,
    words.hint
  ]
    .filter((part) => typeof part === "string" && part !== "")
    .join(". ")
