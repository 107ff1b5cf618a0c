import {
  fetchWithTimeout,
  readVariable,
  type SyncContext,
  SyncFailed,
  SyncNotExecuted,
  SyncOutcomeUnknown
} from "../_shared/syncRun.ts"

/**
 * A starting point for your own function: posts one export to the API at `config.endpoint`, with the token in the secret
 * `SYNC_TOKEN_<TYPE>`, such as `SYNC_TOKEN_XLEDGER`. Adapt the body, but keep the outcomes distinct.
 */
export const exportPeriod = async (context: SyncContext) => {
  const { run, scheduledFor, idempotencyKey, signal } = context
  const { endpoint } = context.config
  // The example row that "sync-scheduler setup" creates has no endpoint.
  if (run.integrationType === "example" && endpoint === undefined) return { exported: 0 }
  if (typeof endpoint !== "string" || !URL.canParse(endpoint)) {
    throw new SyncFailed("NOT_CONFIGURED", `config.endpoint of ${run.integrationId} is not a URL`)
  }
  const headers = new Headers({
    "content-type": "application/json",
    "idempotency-key": idempotencyKey
  })
  const token = readVariable(tokenName(run.integrationType))
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`)
  const body = JSON.stringify({ organisation: run.orgId, period_end: scheduledFor.toISOString() })

  // The last check before the irreversible call.
  if ((await context.heartbeat()) === "lost")
    throw new SyncNotExecuted("This attempt no longer owns the run")
  const response = await send(endpoint, { method: "POST", headers, body, signal })
  await response.body?.cancel()
  context.vendor(response)
  return { exported_to: new URL(endpoint).host, http_status: judge(response) }
}

const tokenName = (integrationType: string): string =>
  `SYNC_TOKEN_${integrationType.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`

/** If the connection failed, nothing was exported, and the run can be retried. */
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

/**
 * A throttled call exported nothing, and a rejected call definitely failed. After a server error, the export might have been
 * booked.
 */
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
