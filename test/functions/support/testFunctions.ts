/** Handlers under test, one per path. The handlers report their progress and wait for the test to open their gates. */
import {
  fetchWithTimeout,
  type Json,
  type SyncContext,
  SyncFailed,
  type SyncHandler,
  SyncNotExecuted,
  SyncOutcomeUnknown,
  type SyncRunOptions,
  withSyncRun
} from "../../../supabase/functions/_shared/syncRun.ts"

const control = Deno.env.get("CONTROL_URL") ?? ""
const tell = async (event: string) => {
  await (await fetch(`${control}/events/${encodeURIComponent(event)}`)).text()
}
const gate = async (name: string) => {
  await (await fetch(`${control}/gates/${encodeURIComponent(name)}`)).text()
}
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener("abort", () => resolve(), { once: true })
  })

if (Deno.env.get("WITH_EDGE_RUNTIME") === "1") {
  // The part of the hosted runtime that the fence uses.
  Reflect.set(globalThis, "EdgeRuntime", {
    waitUntil: (work: Promise<void>) => {
      void tell("waitUntil")
      void work.then(() => tell("waitUntil ended"))
    }
  })
}

const echo: SyncHandler = async (context) => {
  await tell(`ran ${context.run.id}`)
  return {
    run: context.run,
    key: context.idempotencyKey,
    slot: context.scheduledFor.toISOString(),
    deadline: context.deadline.toISOString(),
    channel: String(context.config.channel)
  }
}

/** Lets a handler return anything, like a handler written in JavaScript. */
const untyped = (value: unknown) => Object(value)

const end = async (context: SyncContext): Promise<Json | undefined> => {
  const { config } = context
  switch (config.end) {
    case "error":
      throw new Error("ledger 4711 is closed")
    case "failed":
      throw new SyncFailed("PERIOD_CLOSED", "October is closed\0")
    case "returned":
      return { success: false, error: { code: "BALANCE", message: "debit is not credit" } }
    case "graphql":
      return { errors: [{ code: "NO_PERIOD", message: "October is closed" }] }
    case "falsy error":
      return { success: true, error: false }
    case "contradiction":
      return { success: true, error: "no receipt came" }
    case "graphql in part":
      return { errors: [{ message: "no receipt came" }], data: { createInvoice: null } }
    case "throttled": {
      const headers = { "x-ratelimit-remaining": "0", "set-cookie": "secret", "retry-after": "7" }
      context.vendor(new Response("{}", { status: 200, headers }))
      context.vendor(
        { host: "www.xledger.net", status: 200, headers },
        { errors: [{ code: "BAD_REQUEST.BURST_RATE_LIMIT_REACHED" }] }
      )
      throw new SyncFailed("THROTTLED", "the API throttles")
    }
    case "not executed":
      throw new SyncNotExecuted("throttled")
    case "not executed for a while":
      throw new SyncNotExecuted("throttled", { retryAfterSeconds: 29.2 })
    case "unknown":
      throw new SyncOutcomeUnknown("no receipt came")
    case "post timeout":
      await fetchWithTimeout(`${control}/gates/never`, { method: "POST" }, 50)
      return undefined
    case "get timeout":
      await fetchWithTimeout(`${control}/gates/never`, {}, 50)
      return undefined
    case "plain timeout":
      await fetch(`${control}/gates/never`, { signal: AbortSignal.timeout(50) })
      return undefined
    case "not connected":
      await fetchWithTimeout(String(config.closed), { method: "POST" })
      return undefined
    case "response":
      return untyped(new Response("failed", { status: 500 }))
    case "unstorable":
      return { text: "a\0b\ud800c", path: "C:\\u0000" }
    case "large":
      return { text: "x".repeat(40_000) }
    case "void":
      return undefined
    default:
      return untyped(1n)
  }
}

/** Behaves like a handler whose API call is interrupted. */
const untilAborted = async ({ run, signal }: SyncContext) => {
  await tell(`working ${run.id}`)
  await aborted(signal)
  await tell(`aborted ${run.id}: ${signal.reason.message}`)
  throw new Error("interrupted")
}

const handlers: Record<string, readonly [SyncHandler, SyncRunOptions]> = {
  "/echo": [echo, { rpcTimeoutMs: 400 }],
  "/hurried": [echo, { answerWithinMs: 1_500 }],
  "/end": [end, {}],
  "/gated": [
    async ({ run }) => {
      await gate(run.id)
      return { done: true }
    },
    { heartbeatEveryMs: 20, rpcTimeoutMs: 400 }
  ],
  "/background": [
    async (context) => {
      await gate(context.run.id)
      if (context.config.end === undefined) return { done: true }
      return end(context)
    },
    { background: true, heartbeatEveryMs: 20 }
  ],
  "/defer": [
    async ({ run, defer }) => {
      defer()
      await gate(run.id)
      return { done: true }
    },
    { heartbeatEveryMs: 20 }
  ],
  "/outlasts": [
    async (context) => {
      const before = context.deadline.getTime()
      context.defer()
      while (Date.now() <= before) await context.heartbeat()
      return { aborted: context.signal.aborted, moved: context.deadline.getTime() > before }
    },
    { answerWithinMs: 1_000 }
  ],
  "/until-aborted": [untilAborted, { heartbeatEveryMs: 20 }],
  "/deadline": [untilAborted, { answerWithinMs: 1_500 }],
  "/deaf": [
    async ({ run, signal }) => {
      await aborted(signal)
      await gate(run.id)
      return { done: "late" }
    },
    { answerWithinMs: 1_500, heartbeatEveryMs: 20 }
  ],
  "/asks": [
    async ({ run, heartbeat, signal }) => {
      const first = await heartbeat()
      await gate(run.id)
      const second = await heartbeat()
      await tell(`${run.id} ${first} ${second} ${signal.aborted}`)
      throw new SyncNotExecuted("not ours")
    },
    {}
  ],
  "/silent": [
    async (context) => {
      const clock = Date.now
      Date.now = () => clock() + 301_000
      return untilAborted(context).finally(() => {
        Date.now = clock
      })
    },
    { heartbeatEveryMs: 20 }
  ],
  "/unload": [
    async (context) => {
      queueMicrotask(() => dispatchEvent(new Event("beforeunload")))
      return untilAborted(context)
    },
    {}
  ],
  "/own-keys": [
    echo,
    { keys: ["another-key"], supabase: { url: control, key: Deno.env.get("OWN_KEY") ?? "" } }
  ]
}

const served = new Map(
  Object.entries(handlers).map(([path, [handler, options]]) => [
    path,
    withSyncRun(handler, options)
  ])
)

Deno.serve((request) => {
  const serve = served.get(new URL(request.url).pathname)
  return serve === undefined ? new Response("no such test", { status: 404 }) : serve(request)
})
