import { isRecord } from "./outcome.ts"

/** The platform's clock and services, which the test kit replaces. */
export interface Runtime {
  /** The current time, in epoch milliseconds. */
  readonly now: () => number
  /** Returns a function that cancels the callback. */
  readonly after: (ms: number, callback: () => void) => () => void
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Keeps a hosted isolate alive until the work ends, even after the caller disconnects. */
  readonly keepAlive: (work: Promise<void>) => void
  /** Returns a function that unregisters the callback. */
  readonly onShutdown: (callback: () => void) => () => void
}

/** The maximum delay of a timer, in ms. A timer with a longer delay would fire immediately. */
const maxDelayMs = 2 ** 31 - 1

/** The runtime for Edge Functions, Deno, Node.js and Bun. */
export const platform: Runtime = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(0, ms), maxDelayMs))
    return () => clearTimeout(timer)
  },
  fetch: (url, init) => fetch(url, init),
  keepAlive: (work) => {
    const edge: unknown = Reflect.get(globalThis, "EdgeRuntime")
    if (isRecord(edge) && typeof edge.waitUntil === "function") edge.waitUntil(work)
  },
  onShutdown: (callback) => {
    // Node.js does not fire this event.
    globalThis.addEventListener?.("beforeunload", callback)
    return () => globalThis.removeEventListener?.("beforeunload", callback)
  }
}

/** Returns undefined if the variable is empty or not set. */
export const readVariable = (name: string): string | undefined => {
  const deno: unknown = Reflect.get(globalThis, "Deno")
  const node: unknown = Reflect.get(globalThis, "process")
  const value =
    isRecord(deno) && isRecord(deno.env) && typeof deno.env.get === "function"
      ? deno.env.get(name)
      : isRecord(node) && isRecord(node.env)
        ? node.env[name]
        : undefined
  return typeof value === "string" ? value.trim() || undefined : undefined
}
