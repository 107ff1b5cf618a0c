import { randomUUID } from "node:crypto"
import { type Ledger, type Row, slotOf } from "./Ledger.ts"

/** One run of one integration, driven step by step through the SQL functions. `token` is that of its last attempt. */
export interface Scene {
  readonly ledger: Ledger
  readonly integrationId: string
  readonly runId: string
  readonly token: string
  readonly row: () => Promise<Row>
  /** pending -> running with a token of its own; fails the test when refused. */
  readonly start: (engine?: string) => Promise<Row>
  readonly startWith: (token: string, engine?: string, adoptAfter?: number) => Promise<Row>
  readonly settle: (outcome: string, more?: Row, token?: string) => Promise<Row>
  readonly begin: (token?: string, nonce?: string | null) => Promise<Row>
  readonly heartbeat: (token?: string) => Promise<Row>
  readonly complete: (status: string, error?: unknown, token?: string) => Promise<Row>
  readonly sweep: () => Promise<Row>
  readonly retry: () => Promise<Row>
  readonly release: () => Promise<Row>
  readonly after: (seconds: number) => Promise<void>
  /** Sets columns of the run, in SQL, as a project's own hand might. */
  readonly set: (columns: string) => Promise<void>
  readonly setIntegration: (columns: string) => Promise<void>
  readonly events: () => Promise<ReadonlyArray<string>>
  readonly incidents: (kind: string) => Promise<ReadonlyArray<string>>
}

/** The lease and the quiescence of all tests, in seconds. */
export const LEASE = 215
export const QUIESCENCE = 430
export const nonce = "00000000-0000-4000-8000-000000000001"

/** An integration with a run that engine e1 just claimed. */
export const openScene = async (
  ledger: Ledger,
  columns: Readonly<Record<string, string>> = {}
): Promise<Scene> => {
  await ledger.reset()
  const integrationId = await ledger.integration(columns)
  const answer = await ledger.call("claim_sync_runs", {
    p_engine_id: "e1",
    p_claim_token: randomUUID(),
    p_slots: [slotOf(integrationId)]
  })
  const claimed = list(answer.claimed)[0]
  if (claimed === undefined) throw new Error(`not claimed: ${JSON.stringify(answer)}`)
  return sceneOf(ledger, integrationId, String(claimed.run_id))
}

/** A scene over a run that is already there. */
export const sceneOf = (ledger: Ledger, integrationId: string, runId: string): Scene => {
  let token: string = randomUUID()
  const owner = (given?: string) => ({ p_run_id: runId, p_lease_token: given ?? token })
  const startWith = async (given: string, engine = "e1", adoptAfter = 10) => {
    const answer = await ledger.call("start_sync_runs", {
      p_engine_id: engine,
      p_starts: [{ run_id: runId, lease_token: given, lease_seconds: LEASE }],
      p_adopt_after_seconds: adoptAfter
    })
    return { ...list(answer.started)[0], ...list(answer.skipped)[0] }
  }
  return {
    ledger,
    integrationId,
    runId,
    get token() {
      return token
    },
    row: async () => {
      const [row] = await ledger.rows(`select * from public.sync_run_log where id = '${runId}'`)
      return row ?? {}
    },
    start: async (engine) => {
      token = randomUUID()
      const answer = await startWith(token, engine)
      if (answer.status !== "running") throw new Error(`not started: ${JSON.stringify(answer)}`)
      return answer
    },
    startWith,
    settle: async (outcome, more = {}, given = token) => {
      const answer = await ledger.call("settle_sync_runs", {
        p_engine_id: "e1",
        p_settlements: [{ run_id: runId, lease_token: given, outcome, ...more }],
        p_quiescence_seconds: QUIESCENCE
      })
      return list(answer.settled)[0] ?? {}
    },
    begin: (given, p_nonce = nonce) => ledger.call("begin_sync_run", { ...owner(given), p_nonce }),
    heartbeat: (given) => ledger.call("heartbeat_sync_run", owner(given)),
    complete: (p_status, p_error = null, given) =>
      ledger.call("complete_sync_run", { ...owner(given), p_status, p_error }),
    sweep: () =>
      ledger.call("sweep_sync_runs", { p_engine_id: "e2", p_quiescence_seconds: QUIESCENCE }),
    retry: () => ledger.call("retry_sync_run", by(runId)),
    release: () => ledger.call("release_sync_run", by(runId)),
    after: ledger.after,
    set: (columns) =>
      ledger.execute(`update public.sync_run_log set ${columns} where id = '${runId}'`),
    setIntegration: (columns) =>
      ledger.execute(
        `update public.organization_integrations set ${columns} where id = '${integrationId}'`
      ),
    events: async () => {
      const found = await ledger.rows(
        `select kind, from_status as f, to_status as t, reason from public.sync_run_event
          where run_id = '${runId}' order by id`
      )
      return found.map(({ kind, f, t, reason }) => `${kind} ${f ?? "-"}>${t}${why(reason)}`)
    },
    incidents: async (kind) => {
      const found = await ledger.rows(
        `select case when resolved_at is null then 'open' else 'resolved' end as state
           from public.sync_incident where kind = '${kind}' order by id`
      )
      return found.map(({ state }) => String(state))
    }
  }
}

const why = (reason: unknown): string => (reason === null ? "" : ` (${reason})`)

const by = (runId: string): Row => ({
  p_run_id: runId,
  p_actor: "Kari",
  p_reason: "checked in Xledger"
})

/** A JSON array of objects. */
export const list = (value: unknown): ReadonlyArray<Row> => (Array.isArray(value) ? value : [])

/** How a run gets into each state that a test starts from; the clock is where it then stands. */
export const states: Readonly<Record<string, (ledger: Ledger) => Promise<Scene>>> = {
  pending: (ledger) => openScene(ledger),
  running: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    return scene
  },
  begun: async (ledger) => {
    const scene = await openScene(ledger, { fenced: "true" })
    await scene.start()
    await scene.begin()
    return scene
  },
  // The lease is over, and no sweeper has looked yet.
  over: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.after(LEASE)
    return scene
  },
  // Refused by the function's host; waits for its next attempt.
  backoff: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("not_executed", { error_code: "BOOT_ERROR", retry_in_ms: 60_000 })
    return scene
  },
  // It may have happened, and the function may still live.
  unknown: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    return scene
  },
  // ... and is past its quiescence.
  quiet: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await scene.after(QUIESCENCE)
    return scene
  },
  held: async (ledger) => {
    const scene = await openScene(ledger, { on_unknown: "'hold'" })
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await scene.after(QUIESCENCE)
    return scene
  },
  // Unknown and fenced, the function never began, and the lease is over.
  proven: async (ledger) => {
    const scene = await openScene(ledger, { fenced: "true", on_unknown: "'hold'" })
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await scene.after(LEASE)
    return scene
  },
  // Unknown once, waits for its second attempt.
  requeued: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await scene.after(QUIESCENCE)
    await scene.sweep()
    return scene
  },
  released: async (ledger) => {
    const scene = await openScene(ledger, { max_attempts: "1" })
    await scene.start()
    await scene.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await scene.after(QUIESCENCE)
    await scene.sweep()
    return scene
  },
  completed: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("completed", { http_status: 200, response: { rows: 3 } })
    return scene
  },
  failed: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.start()
    await scene.settle("failed", { http_status: 422, error_code: "NO_PERIOD" })
    return scene
  },
  skipped: async (ledger) => {
    const scene = await openScene(ledger)
    await scene.setIntegration("enabled = false")
    await scene.sweep()
    await scene.setIntegration("enabled = true")
    return scene
  }
}
