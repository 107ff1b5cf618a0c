import { type Answer, RESET } from "./HttpServer.ts"

/** How a stand-in function answers one call, and whether the call takes effect (is counted in the ledger). */
export interface Behaviour {
  readonly executes: boolean
  /** `gone` aborts when the caller goes away. */
  readonly answer: (gone: AbortSignal) => Promise<Answer> | Answer
}

const executed = (answer: Behaviour["answer"]): Behaviour => ({ executes: true, answer })
const refused = (answer: Behaviour["answer"]): Behaviour => ({ executes: false, answer })

/** The same answer, with the effect; for failures that happen after the work was done. */
export const withEffect = (behaviour: Behaviour): Behaviour => ({ ...behaviour, executes: true })
/** The same answer, without the effect. */
export const withoutEffect = (behaviour: Behaviour): Behaviour => ({
  ...behaviour,
  executes: false
})

/** 200 with JSON, `{ "success": true }` unless given. Takes effect. */
export const ok = (body: unknown = { success: true }): Behaviour =>
  executed(() => Response.json(body))

/** Waits before it answers (default ok). The effect is there at once, also when the caller does not wait. */
export const delay = (ms: number, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([Bun.sleep(ms), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Answers when the promise is settled: a test that holds it decides when, without sleeping. */
export const until = (promise: Promise<unknown>, then: Behaviour = ok()): Behaviour => ({
  ...then,
  answer: async (gone) => {
    await Promise.race([promise.catch(() => undefined), aborted(gone)])
    return gone.aborted ? RESET : then.answer(gone)
  }
})

/** Any status with JSON, with text when `body` is a string, empty when there is none. No effect. */
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

/** A proxy's HTML page (default 502). No effect. */
export const html = (code = 502): Behaviour =>
  status(code, "<html><body><h1>Bad Gateway</h1></body></html>", { "Content-Type": "text/html" })

/** Never answers. Takes effect. */
export const hang = (): Behaviour =>
  executed(async (gone): Promise<Answer> => {
    await aborted(gone)
    return RESET
  })

/** 200, then a byte every `everyMs`, without end. Takes effect. */
export const drip = (everyMs = 20): Behaviour =>
  executed(() =>
    stream(async (send) => {
      for (;;) {
        send(" ")
        await Bun.sleep(everyMs)
      }
    })
  )

/** 200 with a valid JSON body of that many megabytes. Takes effect. */
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

/** Sends the caller elsewhere (default 307). No effect. */
export const redirect = (to: string, code = 307): Behaviour =>
  status(code, undefined, { Location: to })

/** 200 whose JSON ends too early. Takes effect. */
export const invalidJson = (): Behaviour =>
  executed(
    () => new Response(`{"success": tr`, { headers: { "Content-Type": "application/json" } })
  )

/** 200 that says it failed: `{ "success": false, "error": ... }`. No effect. */
export const unsuccessful = (
  error: unknown = { code: "LEDGER_CLOSED", message: "October is closed" }
): Behaviour => withoutEffect(ok({ success: false, error }))

/** 500 in the function's own words, without `sb-error-code`. No effect. */
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

/** The platform's answer in the function's place, with `sb-error-code`. Effect only for those that strike midway. */
export const platformError = (
  code: PlatformError,
  headers: Readonly<Record<string, string>> = {}
): Behaviour => {
  const [http, message] = PLATFORM_ERRORS[code]
  const behaviour = status(http, { code, message }, { "sb-error-code": code, ...headers })
  return { ...behaviour, executes: http === 504 || http === 546 || http === 500 }
}

/** The connection is cut before an answer. No effect; `withEffect(reset())` when the work was done. */
export const reset = (): Behaviour => refused(() => RESET)

/** 200, half of a JSON body, then the connection is cut. Takes effect. */
export const resetHalfway = (): Behaviour =>
  executed(() =>
    stream(async (send) => {
      send(`{"success": true, "rows": [`)
      await Bun.sleep(20)
      throw new Error("cut")
    })
  )

/** 202: the function works on and will report by itself. Takes effect. */
export const accepted = (body: unknown = { accepted: true }): Behaviour =>
  executed(() => Response.json(body, { status: 202 }))

/** 409 `{ "executed": false }`: the fence refused. No effect. */
export const notExecuted = (): Behaviour => status(409, { executed: false })

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })

/** A 200 whose body is written by `write`; if that fails, the connection is cut where it stands. */
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
