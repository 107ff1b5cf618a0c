import { Cause, Effect, Exit, Option } from "effect"
import { asyncWithin } from "./Deadline.ts"
import { explainRejection, FetchFailure } from "./FetchFailure.ts"

export { FetchFailure } from "./FetchFailure.ts"

/** The limits of one request. */
export interface Bounds {
  /** The most bytes of the answer's body that are read. */
  readonly maxBytes: number
  /** From the call to the last byte of the answer, in milliseconds. Absent: the caller sets a deadline of its own. */
  readonly timeoutMs?: number
  /** `sync-scheduler/<version>`. A browser-like one is refused together with a secret key. */
  readonly userAgent?: string
}

/** An HTTP answer whose body was read whole, or up to its bound (`truncated`: there was more). */
export interface BoundedAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  readonly truncated: boolean
}

/**
 * Sends one request and reads its answer within bounds. Redirects are given back, not followed.
 *
 * *Fails with* FetchFailure (`NotSent`, `TimedOut`, `Disconnected`). *Guarantees*: sent at most once; the deadline
 * covers the body; interruption, the deadline and the byte bound close the connection.
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
  return asyncWithin<BoundedAnswer, FetchFailure>({
    ms: timeoutMs,
    begin: (resume) => begin(input, init, bounds, resume),
    onTimeout: () =>
      Effect.fail(
        new FetchFailure({ reason: "TimedOut", detail: `no whole answer within ${timeoutMs} ms` })
      )
  })
}

/** Sends, and says what came of it once. Answers what closes the connection. */
const begin = (
  input: string | URL,
  init: RequestInit,
  bounds: Bounds,
  resume: (answer: Effect.Effect<BoundedAnswer, FetchFailure>) => void
): (() => void) => {
  const end = new AbortController()
  send(input, init, end, bounds).then(
    (answer) => resume(Effect.succeed(answer)),
    (error) => resume(Effect.fail(error instanceof FetchFailure ? error : explainRejection(error)))
  )
  return () => end.abort()
}

/**
 * The same as a drop-in for `fetch`, for supabase-js (`global.fetch`): the answer is buffered, a redirect and an
 * answer beyond the bound are rejections. *Rejects with* FetchFailure, or as `fetch` does when `init.signal` aborts.
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
  const { body, truncated } = isShort(response.headers, bounds.maxBytes)
    ? { body: await response.bytes(), truncated: false }
    : await readAtMost(response.body, bounds.maxBytes)
  // Cancelling the reader alone leaves it to the runtime when, or whether, the connection is closed.
  if (truncated) end.abort()
  const { status, statusText, headers } = response
  return { status, statusText, headers, body, truncated }
}

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
  // A stream can be sent only once. Deno sends a repeatable body again, also of a POST, when a reused connection breaks
  // after the server has read the request (denoland/deno#32566): an export would run twice.
  return { ...request, body: blob.stream() }
}

/** Bun opens a connection for a request without keepalive, so there is none that could break and have it sent again. */
const hasOwnConnection = ({ body, keepalive }: RequestInit): boolean =>
  "Bun" in globalThis && keepalive === false && typeof body === "string"

const toBlob = (body: NonNullable<RequestInit["body"]>): Blob | Promise<Blob> => {
  if (body instanceof Blob) return body
  if (typeof body === "string") return new Blob([body], { type: "text/plain;charset=UTF-8" })
  return new Response(body).blob()
}

/** `duplex` is what the standard asks for with a streamed body. */
const fixedOptions = { redirect: "manual", duplex: "half" } as const

const checkHeaders = (given: RequestInit["headers"]): Headers => {
  try {
    return new Headers(given)
  } catch {
    // The runtimes' own texts quote the value, which may be the key.
    throw new FetchFailure({ reason: "NotSent", detail: "a header's name or value is not valid" })
  }
}

/** Whether the answer says that it is inside the bound; the runtime holds it to that. */
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
    const detail = `answered ${status}, a redirect, which is not followed`
    return Effect.fail(new FetchFailure({ reason: "Redirected", detail }))
  }
  if (truncated) {
    const detail = `the answer is larger than ${body.byteLength} bytes`
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
