import { parseArgs } from "node:util"
import { type Behaviour, delay, ok } from "./FunctionBehaviour.ts"
import { type Answer, serveHttp } from "./HttpServer.ts"

/** Times are in epoch milliseconds on this process's clock. */
export interface FunctionCall {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Empty if the request body was not a JSON object. */
  readonly body: Readonly<Record<string, unknown>>
  readonly startedAt: number
  /** When the response was sent or the caller disconnected. A streamed body can end later. */
  endedAt?: number
}

export type Behave = (body: FunctionCall["body"], call: FunctionCall) => Behaviour

export interface FunctionServerOptions {
  readonly behave?: Behave
  readonly port?: number
}

/** A stand-in for the project's Edge Functions, which accepts requests to any path. */
export interface FunctionServer {
  readonly url: string
  /** Includes warm-ups (OPTIONS), but not `/__calls`. */
  readonly calls: ReadonlyArray<FunctionCall>
  readonly invocations: ReadonlyArray<FunctionCall>
  readonly peakInFlight: number
  readonly inFlight: number
  /** The number of side effects per idempotency key. The number is 1 if the function honours the key. */
  readonly effects: ReadonlyMap<string, number>
  readonly behave: (behave: Behave) => void
  /** Sets the response to OPTIONS requests. The default is an immediate 200 "ok". */
  readonly behaveWarmUp: (behave: Behave) => void
  readonly arrived: (count: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** Counts side effects as requests arrive, whatever the response is. Rejects HEAD with 405, as the platform does. */
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

// Tests of the binary run this server as a separate process.
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
