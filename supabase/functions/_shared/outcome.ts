import { readWords } from "./answerWords.ts"

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The sync definitely failed: it cannot take effect later, and a retry would not help. The run becomes `failed`. */
export class SyncFailed extends Error {
  override readonly name = "SyncFailed"
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * No call with an effect was made: for example, the API throttled the first call. Because the run has begun, it becomes
 * `unknown`, and `on_unknown` determines whether the scheduler retries it. After `defer`, the run becomes `failed`.
 */
export class SyncNotExecuted extends Error {
  override readonly name = "SyncNotExecuted"
  /** The wait time that the API requested. */
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly retryAfterSeconds?: number }) {
    super(message, options)
    this.retryAfterSeconds = options?.retryAfterSeconds
  }
}

/**
 * The sync might have taken effect: for example, an export was sent, but no response arrived. The run becomes `unknown`.
 * `on_unknown` determines whether the run is retried with the same key or waits for an operator.
 */
export class SyncOutcomeUnknown extends Error {
  override readonly name = "SyncOutcomeUnknown"
}

export type Verdict =
  | { readonly kind: "completed"; readonly result: Json }
  | { readonly kind: "failed"; readonly error: { readonly code: string; readonly message: string } }
  | { readonly kind: "notExecuted"; readonly reason: string; readonly retryAfterSeconds?: number }
  | { readonly kind: "unknown"; readonly reason: string }

/** A larger result is replaced with a note of its size. The engine reads and stores up to 64 KiB of a response. */
const maxResultBytes = 32 * 1024
const maxMessageChars = 2_000

/**
 * Returns the outcome for a handler's return value, using the scheduler's rules for responses. A value that reports a failure
 * means `failed`. A value that contradicts itself means `unknown`.
 */
export const judgeValue = (value: unknown): Verdict => {
  if (value instanceof Response) {
    const reason = `The handler returned a Response (${value.status}); return a JSON value, or throw`
    return { kind: "unknown", reason }
  }
  const result = toJson(value)
  const words = readWords(result)
  switch (words.says) {
    case "failure":
      return { kind: "failed", error: describeFailure(result) }
    case "unclear":
      return {
        kind: "unknown",
        reason: `The handler's return value is not definite: ${words.because}`
      }
    default:
      return { kind: "completed", result }
  }
}

/** Also recognizes an error from another copy of this file, such as the test kit's. */
const isOf = <E extends Error>(
  error: unknown,
  kind: new (...given: never[]) => E,
  name: string
): error is E => error instanceof kind || (error instanceof Error && error.name === name)

/**
 * Returns the outcome for an error that a handler threw. The outcome is unknown if a call was cut off or the run's signal has
 * aborted. Any other error, except the three classes above, is a definite failure.
 */
export const judgeError = (error: unknown, wasStopped: boolean): Verdict => {
  if (isOf(error, SyncFailed, "SyncFailed")) {
    return { kind: "failed", error: { code: clip(error.code), message: clip(error.message) } }
  }
  if (isOf(error, SyncNotExecuted, "SyncNotExecuted")) {
    const { retryAfterSeconds } = error
    const reason = clip(error.message)
    return retryAfterSeconds === undefined
      ? { kind: "notExecuted", reason }
      : { kind: "notExecuted", reason, retryAfterSeconds }
  }
  const isUnknown = isOf(error, SyncOutcomeUnknown, "SyncOutcomeUnknown")
  if (isUnknown || wasStopped || transportFailure(error) === "lost") {
    return { kind: "unknown", reason: clip(messageOf(error)) }
  }
  return { kind: "failed", error: { code: "HANDLER_ERROR", message: clip(messageOf(error)) } }
}

/**
 * Classifies the error of a rejected `fetch` or body read: `lost` if the request might have been sent, undefined for other
 * errors. Deno's messages about name resolution, TCP and TLS contain `(Connect)`.
 */
export const transportFailure = (error: unknown): "notConnected" | "lost" | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error.name === "TimeoutError" || error.name === "AbortError") return "lost"
  if (!(error instanceof TypeError)) return undefined
  const text = `${error.message} ${messageOf(error.cause)}`
  if (text.includes("(Connect)")) return "notConnected"
  return /^fetch failed|error sending request|body from connection/.test(text) ? "lost" : undefined
}

/** Returns the message of any thrown value. supabase-js throws plain objects. */
export const messageOf = (error: unknown): string =>
  isRecord(error) && typeof error.message === "string" ? error.message : String(error)

/** Takes the code and message from `error`, from the first of `errors`, or from the value itself. */
const describeFailure = (value: Json): { code: string; message: string } => {
  const { error, errors } = isRecord(value) ? value : {}
  const told = error || (Array.isArray(errors) ? errors[0] : errors) || value
  if (!isRecord(told)) {
    return { code: "HANDLER_FAILED", message: typeof told === "string" ? clip(told) : "no reason" }
  }
  const { code, message } = told
  return {
    code: typeof code === "string" ? clip(code) : "HANDLER_FAILED",
    message: clip(typeof message === "string" ? message : JSON.stringify(told))
  }
}

/** Never throws, because the work is done even if its result is not JSON. */
const toJson = (value: unknown): Json => {
  try {
    const text = JSON.stringify(value)?.replace(unstorable, "$1\\ufffd")
    if (text === undefined) return null
    const bytes = new TextEncoder().encode(text).length
    if (bytes > maxResultBytes) return { omitted: `result of ${bytes} bytes` }
    const copy: Json = JSON.parse(text)
    return copy
  } catch (error) {
    return { omitted: `result is not JSON: ${clip(messageOf(error))}` }
  }
}

const clip = (text: string): string =>
  (text.length > maxMessageChars ? `${text.slice(0, maxMessageChars)}...` : text)
    .toWellFormed()
    .replaceAll("\0", "\ufffd")

/** Matches the escapes that jsonb rejects: NUL and lone surrogates. Does not match an escaped backslash followed by `u0000`. */
const unstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi
