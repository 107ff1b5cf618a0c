import { freePort } from "../../support/freePort.ts"
import { secretKey } from "./LedgerStandIn.ts"

/** The request body for a new run. */
export const invocation = (over: Record<string, unknown> = {}) => {
  const integrationId = crypto.randomUUID()
  return {
    run_id: crypto.randomUUID(),
    org_id: crypto.randomUUID(),
    integration_id: integrationId,
    integration_type: "xledger",
    scheduled_for: "2026-11-02T01:00:00.000Z",
    attempt: 1,
    idempotency_key: `${integrationId}:2026-11-02T01:00:00.000Z`,
    trigger: "schedule",
    lease_token: crypto.randomUUID(),
    deadline: new Date(Date.now() + 155_000).toISOString(),
    config: { channel: "A-12" },
    ...over
  }
}

/** A string body is sent unchanged. */
export const send = async (
  url: string,
  body: unknown,
  headers: Record<string, string> = { apikey: secretKey }
) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
  const parsed: unknown = await response.json()
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: Object.fromEntries(Object.entries(Object(parsed)))
  }
}

export const closedUrl = async (): Promise<string> => `http://127.0.0.1:${await freePort()}/`
