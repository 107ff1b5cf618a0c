import { Cause, Effect, Exit, Option } from "effect"
import { asyncWithDeadline } from "./Deadline.ts"
import { explainRejection, FetchFailure } from "./FetchFailure.ts"
import { type HttpProxy, type ProxyOf, throughProxy } from "./Proxy.ts"

export { FetchFailure } from "./FetchFailure.ts"

export interface Bounds {
  readonly maxBytes: number
  /** The time limit for the whole response, in milliseconds; absent if the caller sets a deadline. */
  readonly timeoutMs?: number
  /** The User-Agent. Supabase rejects a secret key with a browser-like User-Agent. */
  readonly userAgent?: string
  /** Returns the proxy for a URL, so that errors can mention it; absent if no proxy is used. */
  readonly proxyOf?: ProxyOf
}

/** A response. If `truncated` is true, the body ends at the byte limit. */
export interface BoundedAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  readonly truncated: boolean
}

/**
 * Sends one request and reads the response within the limits. Returns redirects without following them.
 *
 * *Fails with* FetchFailure (`NotSent`, `TimedOut`, `Disconnected`).
 * *Guarantees*: the request is sent at most once. The deadline covers the body. The connection is closed when the call is
 * interrupted, the deadline passes or the byte limit is exceeded.
 */
export const boundedFetch = (
  input: string | URL,
  init: RequestInit,
  bounds: Bounds
): Effect.Effect<BoundedAnswer, FetchFailure> => {
  const { timeoutMs } = bounds
  if (timeoutMs === undefined) {
    return Effect.async((resume) => {
      const end = begin(input, init, bounds, resume)
      return Effect.sync(end)
    })
  }
  return asyncWithDeadline<BoundedAnswer, FetchFailure>({
    ms: timeoutMs,
    begin: (resume) => begin(input, init, bounds, resume),
    onTimeout: () =>
      Effect.fail(
        new FetchFailure({
          reason: "TimedOut",
          detail: `no complete response within ${timeoutMs} ms${throughProxy(proxyFor(input, bounds))}`
        })
      )
  })
}

const proxyFor = (input: string | URL, { proxyOf }: Bounds): HttpProxy | null =>
  proxyOf !== undefined && URL.canParse(input) ? proxyOf(new URL(input)) : null

/** Calls `resume` once with the result. Returns a function that closes the connection. */
const begin = (
  input: string | URL,
  init: RequestInit,
  bounds: Bounds,
  resume: (answer: Effect.Effect<BoundedAnswer, FetchFailure>) => void
): (() => void) => {
  const end = new AbortController()
  send(input, init, end, bounds).then(
    (answer) => resume(Effect.succeed(answer)),
    (error) => {
      const proxy = proxyFor(input, bounds)
      // Behind a proxy, the unreachable host might be the proxy itself.
      const server = proxy === null ? URL.parse(input)?.host : undefined
      const { detail, reason, system } =
        error instanceof FetchFailure ? error : explainRejection(error, server)
      const whole = `${detail}${throughProxy(proxy)}`
      resume(Effect.fail(new FetchFailure({ reason, detail: whole, system })))
    }
  )
  return () => end.abort()
}

/**
 * Returns a `fetch` with limits, for supabase-js (`global.fetch`). Buffers the response. Rejects redirects and responses that
 * exceed the byte limit.
 * *Rejects with* FetchFailure, or like `fetch` when `init.signal` aborts.
 */
export const fetchWithin = (bounds: Bounds): typeof fetch =>
  Object.assign(
    async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
      const [url, rest] = input instanceof Request ? await unfold(input, init) : [input, init]
      const { signal, ...sent } = rest
      const exit = await Effect.runPromiseExit(
        Effect.flatMap(boundedFetch(url, sent, bounds), toResponse),
        signal ? { signal } : {}
      )
      if (Exit.isSuccess(exit)) return exit.value
      throw Option.getOrElse(Cause.failureOption(exit.cause), () =>
        signal?.aborted ? signal.reason : Cause.squash(exit.cause)
      )
    },
    { preconnect: globalThis.fetch.preconnect }
  )

const unfold = async (request: Request, init: RequestInit): Promise<[string, RequestInit]> => {
  const { url, method, headers, signal } = request
  const body = init.body ?? (request.body === null ? null : await request.text())
  return [url, { method, headers, signal, ...init, body }]
}

const send = async (
  input: string | URL,
  init: RequestInit,
  end: AbortController,
  bounds: Bounds
): Promise<BoundedAnswer> => {
  const request = await prepare(init, bounds, end.signal)
  const response = await fetch(input, request)
  if (isOfProxy(response, input, bounds)) {
    end.abort()
    const detail = "the proxy requires a user name and a password (407)"
    throw new FetchFailure({ reason: "NotSent", detail })
  }
  const { body, truncated } = isShort(response.headers, bounds.maxBytes)
    ? { body: await response.bytes(), truncated: false }
    : await readAtMost(response.body, bounds.maxBytes)
  // The runtime might keep the connection open after the reader is cancelled.
  if (truncated) end.abort()
  const { status, statusText, headers } = response
  return { status, statusText, headers, body, truncated }
}

/** Returns whether a proxy, and not the server, sent a 407. For https requests, the runtime itself reports the 407. */
const isOfProxy = ({ status }: Response, input: string | URL, bounds: Bounds): boolean =>
  status === 407 && new URL(input).protocol === "http:" && proxyFor(input, bounds) !== null

const prepare = async (
  init: RequestInit,
  bounds: Bounds,
  signal: AbortSignal
): Promise<RequestInit> => {
  const headers = checkHeaders(init.headers)
  if (bounds.userAgent !== undefined) headers.set("user-agent", bounds.userAgent)
  const request = { ...init, ...fixedOptions, headers, signal }
  if (init.body === null || init.body === undefined) return request
  if (hasOwnConnection(init)) return request
  const blob = await toBlob(init.body)
  if (blob.type !== "" && !headers.has("content-type")) headers.set("content-type", blob.type)
  // Sends the body as a stream, which cannot be resent. Deno resends a repeatable body, even in a POST, if a reused connection
  // breaks after the server has read the request (denoland/deno#32566). A sync would then run twice.
  return { ...request, body: blob.stream() }
}

/** Bun uses a new connection for a request without keepalive. It resends a request only after a reused connection breaks. */
const hasOwnConnection = ({ body, keepalive }: RequestInit): boolean =>
  "Bun" in globalThis && keepalive === false && typeof body === "string"

const toBlob = (body: NonNullable<RequestInit["body"]>): Blob | Promise<Blob> => {
  if (body instanceof Blob) return body
  if (typeof body === "string") return new Blob([body], { type: "text/plain;charset=UTF-8" })
  return new Response(body).blob()
}

/**
 * The fetch standard requires `duplex` for a stream. `tls` and `verbose` override two of Bun's environment variables.
 * `NODE_TLS_REJECT_UNAUTHORIZED=0` would send the key to any server, and `BUN_CONFIG_VERBOSE_FETCH` would print the key.
 */
const fixedOptions = {
  redirect: "manual",
  duplex: "half",
  tls: { rejectUnauthorized: true },
  verbose: false
} as const

const checkHeaders = (given: RequestInit["headers"]): Headers => {
  try {
    return new Headers(given)
  } catch {
    // The runtime's own message quotes the header's value, which might be the key.
    throw new FetchFailure({
      reason: "NotSent",
      detail: "the name or value of a header is not valid"
    })
  }
}

/** Returns whether the declared length is within the limit. The runtime does not read more than the declared length. */
const isShort = (headers: Headers, maxBytes: number): boolean => {
  const length = headers.get("content-length")
  return length !== null && Number(length) <= maxBytes && !headers.has("content-encoding")
}

const readAtMost = async (
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number
): Promise<{ readonly body: Uint8Array<ArrayBuffer>; readonly truncated: boolean }> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  const reader = stream?.getReader()
  while (reader !== undefined && length <= maxBytes) {
    const { done, value } = await reader.read()
    if (done) return { body: concat(chunks, length), truncated: false }
    chunks.push(value)
    length += value.byteLength
  }
  void reader?.cancel().catch(() => undefined)
  return { body: concat(chunks, Math.min(length, maxBytes)), truncated: length > maxBytes }
}

const concat = (chunks: ReadonlyArray<Uint8Array>, length: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk.subarray(0, length - at), at)
    at += chunk.byteLength
  }
  return whole
}

const toResponse = (answer: BoundedAnswer): Effect.Effect<Response, FetchFailure> => {
  const { status, statusText, body, truncated } = answer
  if (status >= 300 && status < 400 && status !== 304) {
    const detail = `the server answered ${status}, a redirect, which is not followed`
    return Effect.fail(new FetchFailure({ reason: "Redirected", detail }))
  }
  if (truncated) {
    const detail = `the response is larger than ${body.byteLength} bytes`
    return Effect.fail(new FetchFailure({ reason: "TooLarge", detail }))
  }
  const headers = new Headers(answer.headers)
  headers.delete("content-encoding")
  headers.delete("content-length")
  const isBodyless = status === 204 || status === 205 || status === 304
  return Effect.try({
    try: () => new Response(isBodyless ? null : body, { status, statusText, headers }),
    catch: (error) => new FetchFailure({ reason: "Disconnected", detail: String(error) })
  })
}
