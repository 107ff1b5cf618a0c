import { RESET } from "./HttpServer.ts"

/** Milliseconds, or a promise to wait for: a test that holds the promise needs no sleep. */
export type Wait = number | Promise<unknown>

/** What goes wrong with one call. */
export interface Fault {
  /** Before the call is executed (or not executed). */
  readonly waitBefore?: Wait
  /** Between the commit and the answer. */
  readonly waitAfter?: Wait
  /** In place of the answer: a response, or a cut connection. Without `execute` the call is not executed either. */
  readonly instead?: (() => Response) | typeof RESET
  /** Execute and commit although the answer is replaced. */
  readonly execute?: boolean
}

/** One call as the gateway sees it. `number` counts the calls of that function from 1. */
export interface GatewayCall {
  readonly fn: string
  readonly args: Readonly<Record<string, unknown>>
  readonly role: string
  readonly number: number
}

/** Decides per call; undefined leaves it alone. */
export type FaultHook = (call: GatewayCall) => Fault | undefined

/** Faults by SQL function; for Edge Functions the name is `functions/<name>`. The name `*` stands for every SQL function. */
export class GatewayFaults {
  /** Moves the `Date` header, to test a skewed clock. */
  dateOffsetMs = 0
  private readonly hooks = new Map<string, FaultHook>()
  private readonly counts = new Map<string, number>()

  /** From now on, until cleared. */
  set(fn: string, fault: Fault | FaultHook): void {
    this.hooks.set(fn, typeof fault === "function" ? fault : () => fault)
  }

  /** For the next `times` calls of this function (default 1), then no more. */
  once(fn: string, fault: Fault, times = 1): void {
    let left = times
    this.hooks.set(fn, () => (left-- > 0 ? fault : undefined))
  }

  /** Ends one function's faults, or all. Counts stay. */
  clear(fn?: string): void {
    if (fn === undefined) this.hooks.clear()
    else this.hooks.delete(fn)
  }

  /** How often the function was called, faults included. */
  calls(fn: string): number {
    return this.counts.get(fn) ?? 0
  }

  /** For the gateway: counts the call and says what goes wrong with it. */
  next(call: Omit<GatewayCall, "number">): Fault {
    const number = this.calls(call.fn) + 1
    this.counts.set(call.fn, number)
    const hook =
      this.hooks.get(call.fn) ?? (call.fn.includes("/") ? undefined : this.hooks.get("*"))
    return hook?.({ ...call, number }) ?? {}
  }
}

/** The connection is cut; nothing was executed. */
export const dropBefore: Fault = { instead: RESET }
/** Executed and committed, but the caller never hears of it. */
export const lostAnswer: Fault = { instead: RESET, execute: true }
/** PostgREST has lost its database: 503, not executed. */
export const schemaCacheMissing: Fault = {
  instead: () =>
    Response.json(
      {
        code: "PGRST002",
        message: "Could not query the database for the schema cache. Retrying.",
        details: null,
        hint: null
      },
      { status: 503 }
    )
}
/** A proxy's HTML page. */
export const badGateway: Fault = {
  instead: () =>
    new Response(
      "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>",
      {
        status: 502,
        headers: { "Content-Type": "text/html; charset=UTF-8" }
      }
    )
}
/** Looks like success to supabase-js: `{ error: null, status: 204 }`. */
export const emptyNotFound: Fault = { instead: () => new Response(null, { status: 404 }) }
/** Looks like success to supabase-js: `{ data: null, error: null }`. */
export const emptyOk: Fault = { instead: () => new Response(null, { status: 200 }) }
/** Sends the caller, with its key, to another origin. */
export const redirectTo = (url: string): Fault => ({
  instead: () => new Response(null, { status: 307, headers: { Location: url } })
})
/** An error as PostgREST words it. */
export const answerWith = (status: number, body: unknown): Fault => ({
  instead: () => Response.json(body, { status })
})
/** Waits, then goes on as usual. */
export const waitBefore = (wait: Wait): Fault => ({ waitBefore: wait })
export const waitAfter = (wait: Wait): Fault => ({ waitAfter: wait })
