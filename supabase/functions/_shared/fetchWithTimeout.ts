import { messageOf, SyncFailed, SyncOutcomeUnknown, transportFailure } from "./outcome.ts"

/**
 * The default time limit for a call, in ms. It is long, because accounting APIs are slow after idle periods. A whole sync may
 * take 145 s.
 */
export const defaultTimeoutMs = 120_000

/**
 * `fetch` for calls to the accounting API. The time limit covers headers and body. Redirects are not followed, because a
 * redirected POST becomes a GET or sends the credentials elsewhere. Each error states what is known about the outcome.
 *
 * Pass the run's signal as `init.signal`, so that the call also ends when the run must end. Fails with `SyncFailed`
 * (`NOT_CONNECTED`) if the request was not sent, with `SyncOutcomeUnknown` if a request that may have an effect got no response,
 * and with `SyncFailed` (`NO_ANSWER`) if a read-only request (GET, HEAD, OPTIONS) got no response. A response with any HTTP
 * status, including 3xx, 4xx and 5xx, is returned: check `response.status`.
 */
export const fetchWithTimeout = async (
  url: string | URL,
  init: RequestInit = {},
  timeoutMs: number = defaultTimeoutMs
): Promise<Response> => {
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit
  try {
    return await fetch(url, { redirect: "manual", ...init, signal })
  } catch (error) {
    if (init.signal?.aborted) throw init.signal.reason
    const method = (init.method ?? "GET").toUpperCase()
    const what = `${method} ${new URL(url).host}`
    switch (transportFailure(error)) {
      case "notConnected":
        throw new SyncFailed("NOT_CONNECTED", `${what}: could not connect`, { cause: error })
      case "lost": {
        const message = limit.aborted
          ? `${what}: no answer within ${timeoutMs} ms`
          : `${what}: connection lost before a response (${messageOf(error)})`
        if (["GET", "HEAD", "OPTIONS"].includes(method)) {
          throw new SyncFailed("NO_ANSWER", message, { cause: error })
        }
        throw new SyncOutcomeUnknown(message, { cause: error })
      }
      default:
        throw error
    }
  }
}
