import { Data } from "effect"
import { tidyMessage } from "../Domain/Message.ts"

/**
 * A request without a complete response.
 *
 * - `NotSent`: nothing was sent, for example because the URL is invalid or the TLS handshake failed.
 * - `TimedOut`: the deadline passed before the last byte of the response. The server might have processed the request.
 * - `Disconnected`: the connection broke. The request might have been sent.
 * - `Redirected`: the server sent a redirect. Following it would send the key to another server.
 * - `TooLarge`: the response exceeds the byte limit. The server has processed the request.
 *
 * `detail` is a plain sentence. If it replaces the runtime's own message, `system` contains that message; otherwise, `system` is
 * empty. `code` repeats the reason, because supabase-js keeps the `code` and `message` of an error but not its class.
 */
export class FetchFailure extends Data.TaggedError("FetchFailure")<{
  readonly reason: "NotSent" | "TimedOut" | "Disconnected" | "Redirected" | "TooLarge"
  readonly detail: string
  readonly system: string
}> {
  constructor({
    detail,
    reason,
    system = ""
  }: Pick<FetchFailure, "reason" | "detail"> & { readonly system?: string | undefined }) {
    super({ reason, detail, system })
  }

  override get message(): string {
    return `${this.reason}: ${this.detail}${this.system === "" ? "" : ` [${this.system}]`}`
  }

  get code(): string {
    return this.reason
  }
}

/**
 * Classifies the error of a rejected `fetch`. Returns `NotSent` only for errors that are known to occur before the first byte is
 * sent, and otherwise `Disconnected`. `server` is the destination as `host:port`, unless the request used a proxy.
 *
 * *Source*: every case was reproduced in Bun 1.4.5 and Deno 2.9.6 (test/Layers/InvokerLive.test.ts).
 */
export const explainRejection = (error: unknown, server = "the server"): FetchFailure => {
  const text = textOf(error)
  const code = codeOf(error)
  const isUntrusted = certificateCodes.has(code)
  const isProof =
    isUntrusted || notSentCodes.has(code) || notSentTexts.some((known) => known.test(text))
  const own = tidyMessage(text.replace(BUNS_ADVICE, "").replace(OWN_CODE, ""))
  const plain = isUntrusted
    ? `the certificate of ${server} is not trusted: ${own}${TRUST}`
    : sentences.find(([sign]) => sign.test(`${code} ${text}`))?.[1](server)
  return new FetchFailure({
    reason: isProof ? "NotSent" : "Disconnected",
    detail: plain ?? own,
    system: plain === undefined ? "" : tidyMessage([code, own].filter(Boolean).join(": "))
  })
}

/** Returns whether a failure's `system` reports an unknown host or an untrusted certificate. */
export const isPermanent = (system: string): boolean => {
  const [code = ""] = system.split(":")
  return code === "ENOTFOUND" || certificateCodes.has(code)
}

/** Plain sentences that replace the runtimes' messages. The first match applies. */
const sentences: ReadonlyArray<readonly [sign: RegExp, sentence: (server: string) => string]> = [
  [
    /ECONNREFUSED|ConnectionRefused|Connection refused/,
    (server) => `the connection to ${server} was refused`
  ],
  [/EAI_AGAIN/, (server) => `no name server answered for ${server}`],
  [
    /ENOTFOUND|EAI_FAIL|dns error|failed to lookup/,
    (server) => `no address was found for ${server}`
  ],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, (server) => `this machine has no route to ${server}`],
  [/FailedToOpenSocket/, (server) => `could not connect to ${server}`],
  [/The TLS handshake failed/, (server) => `${server} does not support TLS on this port`],
  [
    /ECONNRESET|EPIPE|ConnectionClosed|socket connection was closed|Connection reset/,
    (server) => `${server} closed the connection before it answered`
  ]
]

/** An error code, such as `ECONNRESET: `, at the start of a message from Bun. */
const OWN_CODE = /^[A-Z_]{4,}: /

/** Bun's codes for requests that were not sent, including failures to open a proxy tunnel. */
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
  "ERR_PROXY_TUNNEL",
  "UnsupportedProxyProtocol"
])

/** Codes for rejected certificates, which are checked before the request is sent. */
const certificateCodes: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_UNTRUSTED",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REJECTED",
  "CERT_SIGNATURE_FAILURE",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE"
])

const TRUST = " (to trust your own authority, set NODE_EXTRA_CA_CERTS=<file.pem>)"

const BUNS_ADVICE =
  / For more information, pass `verbose: true` in the second argument to fetch\(\)/

/**
 * Messages for requests that were not sent. Deno's `(Connect)` covers DNS, TCP and TLS failures. Most of Bun's failures have a
 * code instead.
 */
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
