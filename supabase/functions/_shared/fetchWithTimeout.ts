import { messageOf, SyncFailed, SyncOutcomeUnknown, transportFailure } from "./outcome.ts"

/** The default time limit, in ms. Accounting APIs are slow after idle periods. */
export const defaultTimeoutMs = 120_000

/**
 * `fetch` with a time limit for headers and body. Redirects are not followed, because a redirected POST becomes a GET or sends
 * the credentials elsewhere. Returns the response, regardless of its HTTP status: check `response.status`.
 *
 * Pass the run's signal as `init.signal`, so that the call ends with the run. Fails with `SyncFailed` (`NOT_CONNECTED`) if the
 * request was not sent. If a request got no response, fails with `SyncFailed` (`NO_ANSWER`) for GET, HEAD and OPTIONS, and with
 * `SyncOutcomeUnknown` for other methods.
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
