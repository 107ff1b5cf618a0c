import { randomUUID } from "node:crypto"
import { type Ledger, type Row, slotOf } from "./Ledger.ts"
import { LEASE, list } from "./RunFixture.ts"

export const XLEDGER = { api_provider: "xledger", api_host: "www.xledger.net" }

/** The engine's report of a throttling response. */
export const throttled = (waitSeconds: number, more: Row = {}): Row => ({
  provider: "xledger",
  host: null,
  sign: "throttled",
  code: "BAD_REQUEST.BURST_RATE_LIMIT_REACHED",
  message: "Xledger throttles (HTTP 200).",
  http_status: 200,
  wait_ms: waitSeconds * 1000,
  ceiling: null,
  low: false,
  quota: null,
  ...more
})

export interface Api {
  readonly runIds: ReadonlyArray<string>
  /** For each run id, returns `running`, or the reason for the refusal and the retry time. */
  readonly start: (runIds: ReadonlyArray<string>) => Promise<Readonly<Record<string, string>>>
  readonly settle: (runId: string, outcome: string, more?: Row) => Promise<void>
  readonly health: (host?: string) => Promise<Row>
  readonly holds: () => Promise<ReadonlyArray<Row>>
}

/** Creates due integrations and claims their runs as engine e1. With `each`, every integration has its own organisation. */
export const openApi = async (
  ledger: Ledger,
  count: number,
  { api = XLEDGER, orgs = "one" }: { readonly api?: Row; readonly orgs?: "one" | "each" } = {}
): Promise<Api> => {
  await ledger.reset()
  const ids = await Promise.all(
    Array.from({ length: count }, () =>
      ledger.integration(orgs === "one" ? {} : { org_id: "gen_random_uuid()" })
    )
  )
  const answer = await ledger.call("claim_sync_runs", {
    p_engine_id: "e1",
    p_claim_token: randomUUID(),
    p_slots: ids.map((id) => slotOf(id))
  })
  const runIds = list(answer.claimed).map((run) => String(run.run_id))
  const tokens = new Map<string, string>()
  return {
    runIds,
    start: async (chosen) => {
      for (const id of chosen) tokens.set(id, randomUUID())
      const { skipped, started } = await ledger.call("start_sync_runs", {
        p_engine_id: "e1",
        p_starts: chosen.map((id) => ({
          run_id: id,
          lease_token: tokens.get(id),
          lease_seconds: LEASE,
          ...api
        })),
        p_adopt_after_seconds: 10
      })
      return Object.fromEntries([
        ...list(started).map(({ run_id }) => [run_id, "running"]),
        ...list(skipped).map((one) => [one.run_id, [one.reason, one.retry_at].join(" ").trim()])
      ])
    },
    settle: async (runId, outcome, more = {}) => {
      await ledger.call("settle_sync_runs", {
        p_engine_id: "e1",
        p_settlements: [{ run_id: runId, lease_token: tokens.get(runId), outcome, ...more }],
        p_quiescence_seconds: 430
      })
    },
    health: async (host = String(api.api_host)) => {
      const [row] = await ledger.rows(
        `select * from public.integration_health where host = '${host}'`
      )
      return row ?? {}
    },
    holds: () => ledger.rows("select * from public.sync_api_hold order by provider, host, org_id")
  }
}
