import { RESET } from "./HttpServer.ts"
import { diedSilently, schemaCacheAway } from "./PostgrestError.ts"

/** Milliseconds, or a promise to await instead of sleeping. */
export type Wait = number | Promise<unknown>

export interface Fault {
  readonly waitBefore?: Wait
  /** How long to wait between the commit and the response. */
  readonly waitAfter?: Wait
  /** Replaces the response, or closes the connection. Without `execute`, the call is not executed. */
  readonly instead?: (() => Response) | typeof RESET
  /** Executes and commits the call, even if its response is replaced. */
  readonly execute?: boolean
}

export interface GatewayCall {
  readonly fn: string
  readonly args: Readonly<Record<string, unknown>>
  readonly role: string
  readonly number: number
}

export type FaultHook = (call: GatewayCall) => Fault | undefined

/** Faults by SQL function name. Edge Functions are named `functions/<name>`, and `*` matches every SQL function. */
export class GatewayFaults {
  /** The offset of the `Date` header in ms, to simulate clock skew. */
  dateOffsetMs = 0
  /** How many times calls have been retried after error 40001. PostgREST before 16 retries such a call forever. */
  repeated = 0
  private readonly hooks = new Map<string, FaultHook>()
  private readonly counts = new Map<string, number>()

  set(fn: string, fault: Fault | FaultHook): void {
    this.hooks.set(fn, typeof fault === "function" ? fault : () => fault)
  }

  once(fn: string, fault: Fault, times = 1): void {
    let left = times
    this.hooks.set(fn, () => (left-- > 0 ? fault : undefined))
  }

  clear(fn?: string): void {
    if (fn === undefined) this.hooks.clear()
    else this.hooks.delete(fn)
  }

  calls(fn: string): number {
    return this.counts.get(fn) ?? 0
  }

  /** Counts a call and returns its fault. Only the gateway uses this method. */
  next(call: Omit<GatewayCall, "number">): Fault {
    const number = this.calls(call.fn) + 1
    this.counts.set(call.fn, number)
    const hook =
      this.hooks.get(call.fn) ?? (call.fn.includes("/") ? undefined : this.hooks.get("*"))
    return hook?.({ ...call, number }) ?? {}
  }
}

export const dropBefore: Fault = { instead: RESET }
export const lostAnswer: Fault = { instead: RESET, execute: true }
export const schemaCacheMissing: Fault = { instead: schemaCacheAway }
export const died: Fault = { instead: diedSilently }
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
/** supabase-js reports an empty 404 as success: `{ error: null, status: 204 }`. */
export const emptyNotFound: Fault = { instead: () => new Response(null, { status: 404 }) }
/** supabase-js reports an empty 200 as success: `{ data: null, error: null }`. */
export const emptyOk: Fault = { instead: () => new Response(null, { status: 200 }) }
/** Redirects to another origin, which must not receive the caller's key. */
export const redirectTo = (url: string): Fault => ({
  instead: () => new Response(null, { status: 307, headers: { Location: url } })
})
export const answerWith = (status: number, body: unknown): Fault => ({
  instead: () => Response.json(body, { status })
})
export const waitBefore = (wait: Wait): Fault => ({ waitBefore: wait })
export const waitAfter = (wait: Wait): Fault => ({ waitAfter: wait })
