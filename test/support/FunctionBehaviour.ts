import { type Answer, RESET } from "./HttpServer.ts"

/** A stand-in function's response to one call, and whether the call has an effect. The ledger counts effects. */
export interface Behaviour {
  readonly executes: boolean
  /** `gone` aborts when the caller disconnects. */
  readonly answer: (gone: AbortSignal) => Promise<Answer> | Answer
}

const executed = (answer: Behaviour["answer"]): Behaviour => ({ executes: true, answer })
const refused = (answer: Behaviour["answer"]): Behaviour => ({ executes: false, answer })

/** Makes a behaviour perform its effect, to simulate a failure after the effect. */
export const withEffect = (behaviour: Behaviour): Behaviour => ({ ...behaviour, executes: true })
export const withoutEffect = (behaviour: Behaviour): Behaviour => ({
  ...behaviour,
  executes: false
})

/** Performs its effect, and responds with 200 and JSON, by default `{ "success": true }`. */
export const ok = (body: unknown = { success: true }): Behaviour =>
  executed(() => Response.json(body))

/** Waits, then responds like `then` (default ok). The effect happens immediately, even if the caller disconnects. */
export const delay = (ms: number, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([Bun.sleep(ms), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Responds when the promise settles, so that tests do not have to sleep. */
export const until = (promise: Promise<unknown>, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([promise.catch(() => undefined), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Performs no effect. Responds with `body` as JSON, or as plain text if it is a string, or with no body if it is omitted. */
export const status = (
  code: number,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {}
): Behaviour =>
  refused(() => {
    if (body === undefined) return new Response(null, { status: code, headers })
    if (typeof body !== "string") return Response.json(body, { status: code, headers })
    return new Response(body, {
      status: code,
      headers: { "Content-Type": "text/plain", ...headers }
    })
  })

/** Performs no effect, and responds with a proxy's HTML page (default 502). */
export const html = (code = 502): Behaviour =>
  status(code, "<html><body><h1>Bad Gateway</h1></body></html>", { "Content-Type": "text/html" })

/** Performs its effect, but never responds. */
export const hang = (): Behaviour =>
  executed(async (gone): Promise<Answer> => {
    await aborted(gone)
    return RESET
  })

/** Performs its effect, responds with 200, and then sends one byte every `everyMs` milliseconds forever. */
export const drip = (everyMs = 20): Behaviour =>
  executed(() =>
    stream(async (send) => {
      for (;;) {
        send(" ")
        await Bun.sleep(everyMs)
      }
    })
  )

/** Performs its effect, and responds with 200 and a valid JSON body of `count` megabytes. */
export const megabytes = (count: number): Behaviour =>
  executed(() =>
    stream(async (send, end) => {
      send(`{"success":true,"padding":"`)
      for (let block = 0; block < count * 16; block++) {
        send("x".repeat(65_536))
        await Bun.sleep(0)
      }
      send(`"}`)
      end()
    })
  )

/** Performs no effect, and redirects the caller (default 307). */
export const redirect = (to: string, code = 307): Behaviour =>
  status(code, undefined, { Location: to })

/** Performs its effect, and responds with 200 and truncated JSON. */
export const invalidJson = (): Behaviour =>
  executed(
    () => new Response(`{"success": tr`, { headers: { "Content-Type": "application/json" } })
  )

/** Performs no effect, and responds with 200 and a body that reports a failure: `{ "success": false, "error": ... }`. */
export const unsuccessful = (
  error: unknown = { code: "LEDGER_CLOSED", message: "October is closed" }
): Behaviour => withoutEffect(ok({ success: false, error }))

/** Performs no effect, and responds with the function's own 500, without `sb-error-code`. */
export const ownError = (
  error: unknown = { code: "LEDGER_CLOSED", message: "October is closed" }
): Behaviour => status(500, { success: false, error })

const PLATFORM_ERRORS = {
  UNAUTHORIZED_INVALID_JWT_FORMAT: [401, "Invalid JWT"],
  NOT_FOUND: [404, "Requested function was not found"],
  RATE_LIMIT_EXCEEDED: [429, "Rate limit exceeded"],
  BOOT_ERROR: [503, "Function failed to start (please check logs)"],
  LOAD_FUNCTION_ERROR: [503, "Function could not be loaded"],
  IDLE_TIMEOUT: [504, "Request idle timeout limit (150s) reached"],
  WORKER_LIMIT: [546, "Function failed due to not having enough compute resources"],
  WORKER_RESOURCE_LIMIT: [546, "Function failed due to not having enough compute resources"],
  WORKER_ERROR: [500, "Function exited due to an error (please check logs)"]
} as const

export type PlatformError = keyof typeof PLATFORM_ERRORS

/** Responds with a platform error and its `sb-error-code`. Performs its effect only if the error occurs during execution. */
export const platformError = (
  code: PlatformError,
  headers: Readonly<Record<string, string>> = {}
): Behaviour => {
  const [http, message] = PLATFORM_ERRORS[code]
  const behaviour = status(http, { code, message }, { "sb-error-code": code, ...headers })
  return { ...behaviour, executes: http === 504 || http === 546 || http === 500 }
}

/**
 * Closes the connection without responding, before the function has done any work. `withEffect(reset())` closes it after the
 * work is done.
 */
export const reset = (): Behaviour => refused(() => RESET)

/** Performs its effect, responds with 200 and half of a JSON body, and then closes the connection. */
export const resetHalfway = (): Behaviour =>
  executed(() =>
    stream(async (send) => {
      send(`{"success": true, "rows": [`)
      await Bun.sleep(20)
      throw new Error("cut")
    })
  )

/**
 * Performs its effect and responds with 202, like a function that continues in the background and reports its outcome later.
 */
export const accepted = (body: unknown = { accepted: true }): Behaviour =>
  executed(() => Response.json(body, { status: 202 }))

/** Performs no effect, and responds with 409 `{ "executed": false }`, as a fence does when it refuses the run. */
export const notExecuted = (): Behaviour => status(409, { executed: false })

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })

/** Responds with 200 and a body written by `write`; if `write` fails, closes the connection at that point. */
const stream = (
  write: (send: (text: string) => void, end: () => void) => Promise<void>
): Response => {
  const encoder = new TextEncoder()
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      const send = (text: string) => {
        if (cancelled) throw new Error("the caller is gone")
        controller.enqueue(encoder.encode(text))
      }
      void write(send, () => controller.close()).catch((error) => {
        if (!cancelled) controller.error(error)
      })
    },
    cancel: () => {
      cancelled = true
    }
  })
  return new Response(body, { headers: { "Content-Type": "application/json" } })
}
