import { type Answer, RESET } from "./HttpServer.ts"

/** A stand-in function's response to one call, and whether the call has a side effect. */
export interface Behaviour {
  readonly executes: boolean
  /** `gone` aborts when the caller disconnects. */
  readonly answer: (gone: AbortSignal) => Promise<Answer> | Answer
}

const executed = (answer: Behaviour["answer"]): Behaviour => ({ executes: true, answer })
const refused = (answer: Behaviour["answer"]): Behaviour => ({ executes: false, answer })

/** Simulates a failure after the side effect. */
export const withEffect = (behaviour: Behaviour): Behaviour => ({ ...behaviour, executes: true })
export const withoutEffect = (behaviour: Behaviour): Behaviour => ({
  ...behaviour,
  executes: false
})

export const ok = (body: unknown = { success: true }): Behaviour =>
  executed(() => Response.json(body))

/** Waits, then responds like `then`. The side effect happens immediately, even if the caller disconnects. */
export const delay = (ms: number, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([Bun.sleep(ms), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Responds like `then` once the promise settles, so that tests do not have to sleep. */
export const until = (promise: Promise<unknown>, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([promise.catch(() => undefined), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Sends a string as plain text, and any other body as JSON. */
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

export const html = (code = 502): Behaviour =>
  status(code, "<html><body><h1>Bad Gateway</h1></body></html>", { "Content-Type": "text/html" })

/** The side effect happens, but the function never responds. */
export const hang = (): Behaviour =>
  executed(async (gone): Promise<Answer> => {
    await aborted(gone)
    return RESET
  })

/** Sends one byte every `everyMs` milliseconds forever. */
export const drip = (everyMs = 20): Behaviour =>
  executed(() =>
    stream(async (send) => {
      for (;;) {
        send(" ")
        await Bun.sleep(everyMs)
      }
    })
  )

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

export const redirect = (to: string, code = 307): Behaviour =>
  status(code, undefined, { Location: to })

export const invalidJson = (): Behaviour =>
  executed(
    () => new Response(`{"success": tr`, { headers: { "Content-Type": "application/json" } })
  )

export const unsuccessful = (
  error: unknown = { code: "LEDGER_CLOSED", message: "October is closed" }
): Behaviour => withoutEffect(ok({ success: false, error }))

/** Responds with the function's own 500, without `sb-error-code`. */
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

/** The side effect happens only if the function was running when the platform error occurred. */
export const platformError = (
  code: PlatformError,
  headers: Readonly<Record<string, string>> = {}
): Behaviour => {
  const [http, message] = PLATFORM_ERRORS[code]
  const behaviour = status(http, { code, message }, { "sb-error-code": code, ...headers })
  return { ...behaviour, executes: http === 504 || http === 546 || http === 500 }
}

/** Closes the connection before the function does any work. `withEffect(reset())` closes it afterwards. */
export const reset = (): Behaviour => refused(() => RESET)

export const resetHalfway = (): Behaviour =>
  executed(() =>
    stream(async (send) => {
      send(`{"success": true, "rows": [`)
      await Bun.sleep(20)
      throw new Error("cut")
    })
  )

/** Responds like a function that continues in the background and reports its outcome later. */
export const accepted = (body: unknown = { accepted: true }): Behaviour =>
  executed(() => Response.json(body, { status: 202 }))

/** Responds as a fence does when it refuses the run. */
export const notExecuted = (): Behaviour => status(409, { executed: false })

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })

/** Closes the connection if `write` fails. */
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
