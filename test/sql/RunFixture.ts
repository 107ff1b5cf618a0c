import { randomUUID } from "node:crypto"
import { type Ledger, type Row, slotOf } from "./Ledger.ts"

/** One run of one integration. `token` is the last attempt's lease token. */
export interface RunFixture {
  readonly ledger: Ledger
  readonly integrationId: string
  readonly runId: string
  readonly token: string
  readonly row: () => Promise<Row>
  /** Fails the test if the start is refused. */
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
  /** Changes the run in SQL, as a project's own code might. */
  readonly set: (columns: string) => Promise<void>
  readonly setIntegration: (columns: string) => Promise<void>
  readonly events: () => Promise<ReadonlyArray<string>>
  readonly incidents: (kind: string) => Promise<ReadonlyArray<string>>
}

/** In seconds. */
export const LEASE = 215
export const QUIESCENCE = 430
export const nonce = "00000000-0000-4000-8000-000000000001"

/** Engine e1 has just claimed the run. */
export const openRunFixture = async (
  ledger: Ledger,
  columns: Readonly<Record<string, string>> = {}
): Promise<RunFixture> => {
  await ledger.reset()
  const integrationId = await ledger.integration(columns)
  const answer = await ledger.call("claim_sync_runs", {
    p_engine_id: "e1",
    p_claim_token: randomUUID(),
    p_slots: [slotOf(integrationId)]
  })
  const claimed = list(answer.claimed)[0]
  if (claimed === undefined) throw new Error(`not claimed: ${JSON.stringify(answer)}`)
  return runFixtureOf(ledger, integrationId, String(claimed.run_id))
}

export const runFixtureOf = (ledger: Ledger, integrationId: string, runId: string): RunFixture => {
  let token: string = randomUUID()
  const owner = (given?: string) => ({ p_run_id: runId, p_lease_token: given ?? token })
  const startWith = async (given: string, engine = "e1", adoptAfter = 10) => {
    const answer = await ledger.call("start_sync_runs", {
      p_engine_id: engine,
      p_starts: [{ run_id: runId, lease_token: given, lease_seconds: LEASE }],
      p_adopt_after_seconds: adoptAfter
    })
    const [started] = list(answer.started)
    return started === undefined
      ? { ...list(answer.skipped)[0] }
      : { ...started, status: "running" }
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

export const list = (value: unknown): ReadonlyArray<Row> => (Array.isArray(value) ? value : [])

/** Puts a run into each initial state, and sets the clock to the instant that the state requires. */
export const states: Readonly<Record<string, (ledger: Ledger) => Promise<RunFixture>>> = {
  pending: (ledger) => openRunFixture(ledger),
  running: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    return fixture
  },
  begun: async (ledger) => {
    const fixture = await openRunFixture(ledger, { fenced: "true" })
    await fixture.start()
    await fixture.begin()
    return fixture
  },
  // The lease has ended, but no sweep has run yet.
  over: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.after(LEASE)
    return fixture
  },
  // The host refused the attempt, and the run waits for the next attempt.
  backoff: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("not_executed", { error_code: "BOOT_ERROR", retry_in_ms: 60_000 })
    return fixture
  },
  // The outcome is unknown, and the function may still be running.
  unknown: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    return fixture
  },
  // The outcome is unknown, and the quiescence period has ended.
  quiet: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await fixture.after(QUIESCENCE)
    return fixture
  },
  held: async (ledger) => {
    const fixture = await openRunFixture(ledger, { on_unknown: "'hold'" })
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await fixture.after(QUIESCENCE)
    return fixture
  },
  // The run is unknown and fenced, its function has never begun, and its lease has ended.
  proven: async (ledger) => {
    const fixture = await openRunFixture(ledger, { fenced: "true", on_unknown: "'hold'" })
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await fixture.after(LEASE)
    return fixture
  },
  // The first attempt's outcome is unknown, and the run waits for the second attempt.
  requeued: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await fixture.after(QUIESCENCE)
    await fixture.sweep()
    return fixture
  },
  released: async (ledger) => {
    const fixture = await openRunFixture(ledger, { max_attempts: "1" })
    await fixture.start()
    await fixture.settle("unknown", { error_code: "IDLE_TIMEOUT", http_status: 504 })
    await fixture.after(QUIESCENCE)
    await fixture.sweep()
    return fixture
  },
  completed: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("completed", { http_status: 200, response: { rows: 3 } })
    return fixture
  },
  failed: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.start()
    await fixture.settle("failed", { http_status: 422, error_code: "NO_PERIOD" })
    return fixture
  },
  skipped: async (ledger) => {
    const fixture = await openRunFixture(ledger)
    await fixture.setIntegration("enabled = false")
    await fixture.sweep()
    await fixture.setIntegration("enabled = true")
    return fixture
  }
}
