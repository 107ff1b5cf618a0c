import { parseArgs } from "node:util"
import { type Behaviour, delay, ok } from "./FunctionBehaviour.ts"
import { type Answer, serveHttp } from "./HttpServer.ts"

/** One request that arrived. Times are epoch milliseconds of this process. */
export interface FunctionCall {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The JSON object sent; empty when it was none. */
  readonly body: Readonly<Record<string, unknown>>
  readonly startedAt: number
  /** When it was answered, or its caller had gone; undefined while in flight. A streamed body may go on longer. */
  endedAt?: number
}

/** Chooses how a call is answered. */
export type Behave = (body: FunctionCall["body"], call: FunctionCall) => Behaviour

/** `behave`: default `ok()` for all. `port`: default a free one. */
export interface FunctionServerOptions {
  readonly behave?: Behave
  readonly port?: number
}

/** A stand-in for the project's Integration Edge Functions, whatever their path. */
export interface FunctionServer {
  readonly url: string
  /** Every request but those for `/__calls`, in the order of arrival, warm-ups (OPTIONS) included. */
  readonly calls: ReadonlyArray<FunctionCall>
  /** The requests that were invocations (POST). */
  readonly invocations: ReadonlyArray<FunctionCall>
  /** The most invocations that were ever in flight at once, and how many are now. */
  readonly peakInFlight: number
  readonly inFlight: number
  /** The ledger: how often each idempotency key took effect. A function that honours its key shows 1. */
  readonly effects: ReadonlyMap<string, number>
  /** From now on answers invocations so. */
  readonly behave: (behave: Behave) => void
  /** From now on answers OPTIONS so (default 200 "ok" at once). */
  readonly behaveWarmUp: (behave: Behave) => void
  /** Resolves when that many invocations have arrived in all. */
  readonly arrived: (count: number) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Starts a server whose answers a test chooses. Effects are counted when the request has arrived: what the caller makes of
 * the answer does not undo them. HEAD is refused (405), as the platform does. `GET /__calls` tells it all as JSON.
 */
export const startFunctionServer = async (
  options: FunctionServerOptions = {}
): Promise<FunctionServer> => {
  let behave: Behave = options.behave ?? (() => ok())
  let warmUp: Behave = () => ok("ok")
  const calls: Array<FunctionCall> = []
  const effects = new Map<string, number>()
  const expected: Array<{ readonly count: number; readonly resolve: () => void }> = []
  let invoked = 0
  let inFlight = 0
  let peakInFlight = 0

  const invoke = async (call: FunctionCall, request: Request): Promise<Answer> => {
    invoked += 1
    inFlight += 1
    peakInFlight = Math.max(peakInFlight, inFlight)
    try {
      const behaviour = behave(call.body, call)
      const key = call.body.idempotency_key ?? call.headers["idempotency-key"]
      if (behaviour.executes && typeof key === "string") {
        effects.set(key, (effects.get(key) ?? 0) + 1)
      }
      for (const { count, resolve } of expected) if (invoked >= count) resolve()
      return await behaviour.answer(request.signal)
    } finally {
      inFlight -= 1
    }
  }

  const answer = async (request: Request): Promise<Answer> => {
    const path = new URL(request.url).pathname
    if (path === "/__calls") {
      return Response.json({ calls, peakInFlight, effects: Object.fromEntries(effects) })
    }
    const call: FunctionCall = {
      method: request.method,
      path,
      headers: Object.fromEntries(request.headers),
      body: parseObject(await request.text()),
      startedAt: Date.now()
    }
    calls.push(call)
    try {
      if (request.method === "HEAD") return new Response(null, { status: 405 })
      if (request.method === "OPTIONS") return await warmUp(call.body, call).answer(request.signal)
      return await invoke(call, request)
    } finally {
      call.endedAt = Date.now()
    }
  }

  const server = await serveHttp(answer, options.port)
  return {
    url: server.url,
    calls,
    get invocations() {
      return calls.filter(({ method }) => method === "POST")
    },
    get peakInFlight() {
      return peakInFlight
    },
    get inFlight() {
      return inFlight
    },
    effects,
    behave: (next) => {
      behave = next
    },
    behaveWarmUp: (next) => {
      warmUp = next
    },
    arrived: (count) =>
      new Promise((resolve) => {
        if (invoked >= count) resolve()
        else expected.push({ count, resolve })
      }),
    close: server.close
  }
}

const parseObject = (json: string): FunctionCall["body"] => {
  try {
    const parsed: unknown = JSON.parse(json)
    return typeof parsed === "object" && parsed !== null
      ? Object.fromEntries(Object.entries(parsed))
      : {}
  } catch {
    return {}
  }
}

// As a process of its own, for tests of the binary: prints {"url": ...} and serves until it is killed.
if (import.meta.main) {
  const { values } = parseArgs({
    options: { port: { type: "string", default: "0" }, delay: { type: "string", default: "0" } }
  })
  const delayMs = Number(values.delay)
  const { url } = await startFunctionServer({
    port: Number(values.port),
    behave: () => delay(delayMs)
  })
  console.log(JSON.stringify({ url }))
}
