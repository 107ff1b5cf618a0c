/** What JSON can carry. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** True for a plain JSON object (not null, not an array). */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The sync failed, and that is certain: nothing is still on its way, and repeating it by itself would not help.
 * Recorded as `failed` with this code and message.
 */
export class SyncFailed extends Error {
  override readonly name = "SyncFailed"
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Nothing was done, and that is certain (the API throttled the very first call, or could not be reached). The scheduler
 * tries the run again, after `retryAfterSeconds` when the API named a wait, else after its own backoff.
 * Throw it only while no call with an effect has been made. In the background, where no answer can say it, it is
 * recorded as `failed`.
 */
export class SyncNotExecuted extends Error {
  override readonly name = "SyncNotExecuted"
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, options?: ErrorOptions & { readonly retryAfterSeconds?: number }) {
    super(message, options)
    this.retryAfterSeconds = options?.retryAfterSeconds
  }
}

/**
 * It may have happened or not (an export was sent and its answer never came). Nothing is reported: the run becomes
 * `unknown`, and the integration's `on_unknown` decides whether it is repeated with the same key or held for a person.
 */
export class SyncOutcomeUnknown extends Error {
  override readonly name = "SyncOutcomeUnknown"
}

/** What is certain about a handler that ended. */
export type Verdict =
  | { readonly kind: "completed"; readonly result: Json }
  | { readonly kind: "failed"; readonly error: { readonly code: string; readonly message: string } }
  | { readonly kind: "notExecuted"; readonly reason: string; readonly retryAfterSeconds?: number }
  | { readonly kind: "unknown"; readonly reason: string }

/** The answer is read up to 64 KiB and kept as a row's column: a larger result is replaced by a note of its size. */
const maxResultBytes = 32 * 1024
const maxMessageChars = 2_000

/**
 * Judges what a handler returned. A value that itself says that it failed (`success: false`, `status: "failed"`, a
 * non-null `error`) is a failure, by the same rule the scheduler applies to answers.
 */
export const judgeValue = (value: unknown): Verdict => {
  if (value instanceof Response) {
    const reason = `The handler returned a Response (${value.status}); return a JSON value, or throw`
    return { kind: "unknown", reason }
  }
  if (isRecord(value) && saysFailed(value)) {
    return { kind: "failed", error: describeFailure(value.error) }
  }
  return { kind: "completed", result: toJson(value) }
}

/**
 * Judges what a handler threw. Certain failures are named by their class; a call that was cut off (time-out, abort,
 * connection lost after it was made), or any error after the run's own signal stopped it, leaves the outcome unknown.
 * Everything else is a definite failure.
 */
export const judgeError = (error: unknown, wasStopped: boolean): Verdict => {
  if (error instanceof SyncFailed) {
    return { kind: "failed", error: { code: clip(error.code), message: clip(error.message) } }
  }
  if (error instanceof SyncNotExecuted) {
    const { retryAfterSeconds } = error
    const reason = clip(error.message)
    return retryAfterSeconds === undefined
      ? { kind: "notExecuted", reason }
      : { kind: "notExecuted", reason, retryAfterSeconds }
  }
  if (error instanceof SyncOutcomeUnknown || wasStopped || transportFailure(error) === "lost") {
    return { kind: "unknown", reason: clip(messageOf(error)) }
  }
  return { kind: "failed", error: { code: "HANDLER_ERROR", message: clip(messageOf(error)) } }
}

/**
 * Tells what a rejected `fetch` (or body read) proves: `notConnected` when the request cannot have left, `lost` when it
 * may have, undefined when the error is of another kind. Deno says `(Connect)` for name resolution, TCP and TLS.
 */
export const transportFailure = (error: unknown): "notConnected" | "lost" | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error.name === "TimeoutError" || error.name === "AbortError") return "lost"
  if (!(error instanceof TypeError)) return undefined
  const text = `${error.message} ${messageOf(error.cause)}`
  if (text.includes("(Connect)")) return "notConnected"
  return /^fetch failed|error sending request|body from connection/.test(text) ? "lost" : undefined
}

/** An error's message, whatever was thrown (supabase-js gives plain objects with a message). */
export const messageOf = (error: unknown): string =>
  isRecord(error) && typeof error.message === "string" ? error.message : String(error)

const saysFailed = (value: Record<string, unknown>): boolean =>
  value.success === false ||
  value.status === "failed" ||
  (value.error !== undefined && value.error !== null)

const describeFailure = (error: unknown): { code: string; message: string } => {
  if (!isRecord(error)) {
    return {
      code: "HANDLER_FAILED",
      message: clip(typeof error === "string" ? error : "no reason")
    }
  }
  const { code, message } = error
  return {
    code: typeof code === "string" ? clip(code) : "HANDLER_FAILED",
    message: clip(typeof message === "string" ? message : "no reason")
  }
}

/** Never throws: the work is done, and a result that JSON cannot carry does not undo it. */
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

/** Escapes that JSON allows and jsonb refuses: NUL and lone surrogates (not a backslash followed by the same letters). */
const unstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi
