import {
  fetchWithTimeout,
  type SyncContext,
  SyncFailed,
  SyncNotExecuted,
  SyncOutcomeUnknown,
  withSyncRun
} from "../_shared/syncRun.ts"

/**
 * An example to start from: posts one export to the accounting API named in the integration's `config.endpoint`, with
 * the token from the function's secret `SYNC_TOKEN_<TYPE>` (`SYNC_TOKEN_XLEDGER`). Replace the body by what your
 * systems need; what matters is how each outcome is told apart.
 */
const exportPeriod = async (context: SyncContext) => {
  const { run, scheduledFor, idempotencyKey, signal } = context
  const { endpoint } = context.config
  if (typeof endpoint !== "string" || !URL.canParse(endpoint)) {
    throw new SyncFailed("NOT_CONFIGURED", `config.endpoint of ${run.integrationId} is not a URL`)
  }
  const headers = new Headers({
    "content-type": "application/json",
    "idempotency-key": idempotencyKey
  })
  const token = Deno.env.get(tokenName(run.integrationType))
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`)
  const body = JSON.stringify({ organisation: run.orgId, period_end: scheduledFor.toISOString() })

  // The last look before what cannot be undone.
  if ((await context.heartbeat()) === "lost") throw new SyncNotExecuted("The run is no longer ours")
  const response = await send(endpoint, { method: "POST", headers, body, signal })
  await response.body?.cancel()
  context.vendor(response)
  return { exported_to: new URL(endpoint).host, http_status: judge(response) }
}

const tokenName = (integrationType: string): string =>
  `SYNC_TOKEN_${integrationType.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`

/** A first call whose connection was never made proves that nothing was exported: the run may be tried again. */
const send = async (endpoint: string, init: RequestInit): Promise<Response> => {
  try {
    return await fetchWithTimeout(endpoint, init, 120_000)
  } catch (error) {
    if (error instanceof SyncFailed && error.code === "NOT_CONNECTED") {
      throw new SyncNotExecuted(error.message, { cause: error })
    }
    throw error
  }
}

/** Throttled: not executed. Refused: certainly failed. A server's error: it may have been booked. */
const judge = (response: Response): number => {
  const { status } = response
  if (response.ok) return status
  const message = `The accounting API answered ${status}`
  if (status === 429) {
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN)
    const wait = Number.isFinite(seconds) ? { retryAfterSeconds: seconds } : {}
    throw new SyncNotExecuted(message, wait)
  }
  if (status >= 500) throw new SyncOutcomeUnknown(message)
  throw new SyncFailed(`HTTP_${status}`, message)
}

Deno.serve(withSyncRun(exportPeriod))
