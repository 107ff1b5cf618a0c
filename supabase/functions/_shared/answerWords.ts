/** What a response's JSON says about the sync, and which fields say so. */
export interface AnswerWords {
  readonly says: "nothing" | "success" | "failure" | "unclear"
  /** Whether a top-level field reports success, regardless of the other fields. */
  readonly claimsSuccess: boolean
  /** A readable explanation, such as `"success" says done, "error" says failed`. */
  readonly because: string
}

/**
 * Interprets the fields that functions, frameworks and vendors use to report results, ignoring case: `success`, `ok`, `executed`,
 * `error`, `errors` (GraphQL), `status` as a word (JSend) or as a number (problem+json, RFC 9457), `statusCode`.
 *
 * A failure is definite only if no field reports success. The response is unclear if its fields contradict each other, or if a
 * field reports a partial failure or unfinished work. A failure inside `result`, `data`, `response` or a list is also unclear,
 * because the sync as a whole might have succeeded.
 *
 * This file has no imports, because `bun run docs` copies it to supabase/functions/_shared/answerWords.ts for the fence.
 */
export const readWords = (value: unknown): AnswerWords => {
  const own = statementsOf(value)
  const claimsSuccess = own.some(({ sign }) => sign === "success")
  const all = [...own, ...nestedIn(value, "", claimsSuccess, 0)]
  const has = (sign: Sign): boolean => all.some((one) => one.sign === sign)
  const isUnclear = has("failure") ? claimsSuccess : has("unclear")
  return {
    says: isUnclear
      ? "unclear"
      : has("failure")
        ? "failure"
        : claimsSuccess
          ? "success"
          : "nothing",
    claimsSuccess,
    because: all
      .slice(0, MAX_REASONS)
      .map(({ field, sign }) => `"${field}" ${meanings[sign]}`)
      .join(", ")
  }
}

type Sign = "success" | "failure" | "unclear"
interface Statement {
  readonly field: string
  readonly sign: Sign
}

const meanings = {
  success: "says done",
  failure: "says failed",
  unclear: "is unclear"
} as const
const MAX_REASONS = 5
const MAX_DEPTH = 5
const MAX_ITEMS = 1_000

const WRAPPERS = new Set(["result", "results", "data", "response", "body"])

/** Values of `status`, reduced to lower-case letters. Other values say nothing about the result of the sync. */
const statusWords: Readonly<Record<Sign, ReadonlySet<string>>> = {
  success: new Set([
    "success",
    "successful",
    "succeeded",
    "ok",
    "okay",
    "done",
    "complete",
    "completed",
    "finished",
    "fulfilled"
  ]),
  failure: new Set(["failed", "failure", "fail", "error", "errored", "fault", "rejected"]),
  unclear: new Set([
    "unknown",
    "partial",
    "partialsuccess",
    "partiallycompleted",
    "partiallyfailed",
    "incomplete",
    "completedwitherrors",
    "accepted",
    "pending",
    "queued",
    "started",
    "running",
    "processing",
    "inprogress",
    "timeout",
    "timedout",
    "aborted",
    "cancelled",
    "canceled"
  ])
}

const statementsOf = (value: unknown): ReadonlyArray<Statement> => {
  if (typeof value === "string") return statement("answer", wordSign(value))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([field, inner]) =>
    statement(field, signOf(field, inner, value))
  )
}

const statement = (field: string, sign: Sign | undefined): ReadonlyArray<Statement> =>
  sign === undefined ? [] : [{ field, sign }]

const signOf = (field: string, value: unknown, record: object): Sign | undefined => {
  switch (lettersOf(field)) {
    case "success":
    case "ok":
    case "executed":
      return flagSign(value)
    case "error":
    case "errormessage":
      return isEmpty(value) ? undefined : "failure"
    case "errors":
      if (isEmpty(value)) return undefined
      // In GraphQL, `data` (even null) means that execution began, so part of the request might have taken effect.
      return Object.hasOwn(record, "data") ? "unclear" : "failure"
    case "status":
    case "outcome":
      return flagSign(value) ?? wordSign(value) ?? httpSign(value)
    case "statuscode":
      return httpSign(value)
    default:
      return undefined
  }
}

/** Returns the failures inside wrapper fields and lists. Such failures are unclear. */
const nestedIn = (
  value: unknown,
  path: string,
  claimsSuccess: boolean,
  depth: number
): ReadonlyArray<Statement> => {
  if (depth > MAX_DEPTH) return []
  if (Array.isArray(value)) {
    // A function that reports success has already accounted for the items in its list.
    return claimsSuccess
      ? []
      : value.slice(0, MAX_ITEMS).flatMap((item) => openIn(item, `${path}[].`, false, depth))
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([field, inner]) =>
    WRAPPERS.has(lettersOf(field))
      ? Array.isArray(inner)
        ? nestedIn(inner, `${path}${field}`, claimsSuccess, depth + 1)
        : openIn(inner, `${path}${field}.`, claimsSuccess, depth)
      : []
  )
}

const openIn = (
  value: unknown,
  path: string,
  claimsSuccess: boolean,
  depth: number
): ReadonlyArray<Statement> => [
  ...(isObject(value) ? statementsOf(value) : [])
    .filter(({ field, sign }) => sign !== "success" && !(claimsSuccess && isState(field)))
    .map(({ field }): Statement => ({ field: path + field, sign: "unclear" })),
  ...nestedIn(value, path, claimsSuccess, depth + 1)
]

/** Returns whether the field might describe a record that was synced, rather than the sync itself. */
const isState = (field: string): boolean => ["status", "outcome"].includes(lettersOf(field))

const flagSign = (value: unknown): Sign | undefined =>
  value === true || value === "true"
    ? "success"
    : value === false || value === "false"
      ? "failure"
      : undefined

const wordSign = (value: unknown): Sign | undefined => {
  if (typeof value !== "string") return undefined
  const word = lettersOf(value)
  if (statusWords.success.has(word)) return "success"
  if (statusWords.failure.has(word)) return "failure"
  return statusWords.unclear.has(word) ? "unclear" : undefined
}

const httpSign = (value: unknown): Sign | undefined => {
  if (!/^[245]\d\d$/.test(String(value))) return undefined
  const status = Number(value)
  return status < 300 ? "success" : status < 500 ? "failure" : "unclear"
}

const lettersOf = (text: string): string => text.toLowerCase().replaceAll(/[^a-z]/g, "")

/** Treats "undefined" as empty, because `String(undefined)` produces this text. */
const isEmpty = (value: unknown): boolean => {
  if (typeof value === "string") return /^\s*(false|null|none|undefined)?\s*$/i.test(value)
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0
  return !value
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)
