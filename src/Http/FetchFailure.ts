import { Schema } from "effect"
import { tidyMessage } from "../Domain/Message.ts"

/**
 * A request that gave no whole answer.
 *
 * - `NotSent`: proven that nothing left (bad URL or header, DNS, refused or unreachable, TLS handshake).
 * - `TimedOut`: the deadline passed before the last byte of the answer. It may have been acted on.
 * - `Disconnected`: the connection broke after the request may have left, or failed in a way that proves nothing.
 * - `Redirected`: answered with a redirect, which is never followed: it would carry the key to another place.
 * - `TooLarge`: the answer is longer than its bound. What was asked has been done.
 *
 * `code` repeats the reason, because supabase-js keeps an error's `code` and `message` and drops its class.
 */
export class FetchFailure extends Schema.TaggedError<FetchFailure>()("FetchFailure", {
  reason: Schema.Literal("NotSent", "TimedOut", "Disconnected", "Redirected", "TooLarge"),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }

  get code(): string {
    return this.reason
  }
}

/**
 * Says what a rejected `fetch` proves. `NotSent` only for what is known to fail before the first byte of a request;
 * everything else, also what nobody has seen yet, is `Disconnected`.
 *
 * *Source*: every case was provoked in Bun 1.4.5 and Deno 2.9.6 (test/Layers/InvokerLive.test.ts).
 */
export const explainRejection = (error: unknown): FetchFailure => {
  const detail = textOf(error)
  const isProof = notSentCodes.has(codeOf(error)) || notSentTexts.some((text) => text.test(detail))
  return new FetchFailure({
    reason: isProof ? "NotSent" : "Disconnected",
    detail: tidyMessage(detail)
  })
}

/** Bun's codes. A certificate is judged after the handshake and before the request is written. */
const notSentCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ConnectionRefused",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "FailedToOpenSocket",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "DNS_ENOTFOUND",
  "ERR_INVALID_URL",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_UNTRUSTED",
  "ERR_TLS_CERT_ALTNAME_INVALID"
])

/** Texts of Deno (`(Connect)` covers DNS, TCP and TLS), and of Bun where the code alone is not precise. */
const notSentTexts: ReadonlyArray<RegExp> = [
  /client error \(Connect\)/,
  /^Fetch failed: Requests to port \d+ are blocked/,
  /^Requires net access to /,
  /^EPROTO: The TLS handshake failed/,
  /^protocol must be /,
  /^Url scheme '[^']*' not supported/,
  /^Invalid URL/
]

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""

const textOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
