import { RESET } from "./HttpServer.ts"
import { diedSilently, schemaCacheAway } from "./PostgrestError.ts"

/** Milliseconds, or a promise to await instead of sleeping. */
export type Wait = number | Promise<unknown>

export interface Fault {
  /** How long to wait before the call is executed (or skipped). */
  readonly waitBefore?: Wait
  /** How long to wait between the commit and the response. */
  readonly waitAfter?: Wait
  /** Replaces the response with another response or a closed connection. Without `execute`, the call is not executed. */
  readonly instead?: (() => Response) | typeof RESET
  /** Executes and commits the call even though its response is replaced. */
  readonly execute?: boolean
}

/** One call as the gateway sees it. `number` counts the calls to this function, starting at 1. */
export interface GatewayCall {
  readonly fn: string
  readonly args: Readonly<Record<string, unknown>>
  readonly role: string
  readonly number: number
}

export type FaultHook = (call: GatewayCall) => Fault | undefined

/** Faults by SQL function name. Edge Functions are named `functions/<name>`, and `*` matches every SQL function. */
export class GatewayFaults {
  /** The offset to apply to the `Date` header, in ms, to simulate clock skew. */
  dateOffsetMs = 0
  /** How many times calls have been retried after error 40001. PostgREST before 16 retries such a call forever. */
  repeated = 0
  private readonly hooks = new Map<string, FaultHook>()
  private readonly counts = new Map<string, number>()

  /** Applies a fault to every call of a function until the fault is cleared. */
  set(fn: string, fault: Fault | FaultHook): void {
    this.hooks.set(fn, typeof fault === "function" ? fault : () => fault)
  }

  /** Applies a fault to a function's next `times` calls. */
  once(fn: string, fault: Fault, times = 1): void {
    let left = times
    this.hooks.set(fn, () => (left-- > 0 ? fault : undefined))
  }

  /** Clears the faults of one function, or of all functions. Call counts remain. */
  clear(fn?: string): void {
    if (fn === undefined) this.hooks.clear()
    else this.hooks.delete(fn)
  }

  /** Returns how many times the function has been called, including calls with a fault. */
  calls(fn: string): number {
    return this.counts.get(fn) ?? 0
  }

  /** Counts a call and returns its fault. Only the gateway calls this method. */
  next(call: Omit<GatewayCall, "number">): Fault {
    const number = this.calls(call.fn) + 1
    this.counts.set(call.fn, number)
    const hook =
      this.hooks.get(call.fn) ?? (call.fn.includes("/") ? undefined : this.hooks.get("*"))
    return hook?.({ ...call, number }) ?? {}
  }
}

/** Closes the connection before the call is executed. */
export const dropBefore: Fault = { instead: RESET }
/** Executes and commits the call, but loses the response. */
export const lostAnswer: Fault = { instead: RESET, execute: true }
/** Responds with 503 as PostgREST does after losing its database; the call is not executed. */
export const schemaCacheMissing: Fault = { instead: schemaCacheAway }
/** Responds as if the server process had died during the call, which might have been committed. */
export const died: Fault = { instead: diedSilently }
/** Responds with a proxy's HTML page. */
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
/** Responds with an empty 404, which supabase-js reports as success: `{ error: null, status: 204 }`. */
export const emptyNotFound: Fault = { instead: () => new Response(null, { status: 404 }) }
/** Responds with an empty 200, which supabase-js reports as success: `{ data: null, error: null }`. */
export const emptyOk: Fault = { instead: () => new Response(null, { status: 200 }) }
/** Redirects the caller to another origin, which must not receive the caller's key. */
export const redirectTo = (url: string): Fault => ({
  instead: () => new Response(null, { status: 307, headers: { Location: url } })
})
/** Responds with an error in PostgREST's format. */
export const answerWith = (status: number, body: unknown): Fault => ({
  instead: () => Response.json(body, { status })
})
export const waitBefore = (wait: Wait): Fault => ({ waitBefore: wait })
export const waitAfter = (wait: Wait): Fault => ({ waitAfter: wait })
