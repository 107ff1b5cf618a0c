import { format } from "../../src/Domain/Instant.ts"

/** A row of organization_integrations, as far as the engine's SQL functions look at it. Instants in ms. */
export interface IntegrationRow {
  id: string
  org_id: string
  integration_type: string
  sync_schedule: string | null
  timezone: string
  enabled: boolean
  next_run_at: number | null
  schedule_version: number
  schedule_since: number
  schedule_error: string | null
  catch_up: "latest" | "all" | "skip"
  catch_up_window_ms: number | null
  max_attempts: number
  invoke_timeout_ms: number | null
  function_name: string | null
  on_unknown: "retry" | "hold"
  fenced: boolean
  warm_up: boolean
  consecutive_failures: number
  breaker_until: number | null
  config: unknown
}

/** A row of sync_run_log. */
export interface RunRow {
  id: string
  integration_id: string
  org_id: string
  integration_type: string
  scheduled_for: number
  idempotency_key: string
  trigger: string
  status: "pending" | "running" | "completed" | "failed" | "unknown" | "skipped"
  skip_reason: string | null
  attempt: number
  max_attempts: number
  claimed_by: string | null
  claim_token: string | null
  lease_token: string | null
  lease_seconds: number | null
  lease_until: number | null
  not_before: number | null
  created_at: number
  started_at: number | null
  attempt_started_at: number | null
  began_at: number | null
  begin_nonce: string | null
  heartbeat_at: number | null
  finished_at: number | null
  released_at: number | null
  drift_ms: number | null
  http_status: number | null
  error_code: string | null
  error_message: string | null
  response: unknown
  cold_start: boolean
  fenced: boolean
  ambiguous: boolean
  ambiguous_before: boolean
}

export interface RangeRow {
  integration_id: string
  from: number
  to: number
  count: number
  reason: string
}

/** A transition that happened, in order: what the invariants are checked on. */
export interface Transition {
  run_id: string
  from: string | null
  to: string
  why: string
  at: number
}

/**
 * The state of the database and the elementary reads over it, in memory. MemoryFunctions mirrors the SQL functions on
 * top of it; test/contract/MemoryParity.test.ts proves on random sequences of calls that both behave the same.
 */
export class MemoryDatabase {
  readonly integrations = new Map<string, IntegrationRow>()
  readonly runs = new Map<string, RunRow>()
  readonly ranges: Array<RangeRow> = []
  readonly ticks = new Map<string, unknown>()
  readonly transitions: Array<Transition> = []
  private readonly slots = new Map<string, RunRow>()
  private readonly ofIntegration = new Map<string, Array<RunRow>>()
  /** The database clock, ms. */
  now: () => number
  private readonly nextId: () => string

  constructor(now: () => number, nextId: () => string) {
    this.now = now
    this.nextId = nextId
  }

  seed(row: Partial<IntegrationRow> & { readonly id: string }): IntegrationRow {
    const full: IntegrationRow = {
      org_id: row.id,
      integration_type: "xledger",
      sync_schedule: "*/5 * * * *",
      timezone: "UTC",
      enabled: true,
      next_run_at: null,
      schedule_version: 1,
      schedule_since: this.now(),
      schedule_error: null,
      catch_up: "latest",
      catch_up_window_ms: null,
      max_attempts: 3,
      invoke_timeout_ms: null,
      function_name: null,
      on_unknown: "retry",
      fenced: false,
      warm_up: false,
      consecutive_failures: 0,
      breaker_until: null,
      config: {},
      ...row
    }
    this.integrations.set(full.id, full)
    return full
  }

  /** Inserts a run unless its slot or its integration's live place is taken; null: it was. */
  insertRun(
    row: Partial<RunRow> & { integration_id: string; scheduled_for: number }
  ): RunRow | null {
    const integration = this.integrations.get(row.integration_id)
    const full: RunRow = {
      id: this.nextId(),
      org_id: integration?.org_id ?? "",
      integration_type: integration?.integration_type ?? "unknown",
      idempotency_key: `${row.integration_id}:${format(row.scheduled_for)}`,
      trigger: "schedule",
      status: "pending",
      skip_reason: null,
      attempt: 0,
      max_attempts: integration?.max_attempts ?? 3,
      claimed_by: null,
      claim_token: null,
      lease_token: null,
      lease_seconds: null,
      lease_until: null,
      not_before: null,
      created_at: this.now(),
      started_at: null,
      attempt_started_at: null,
      began_at: null,
      begin_nonce: null,
      heartbeat_at: null,
      finished_at: null,
      released_at: null,
      drift_ms: null,
      http_status: null,
      error_code: null,
      error_message: null,
      response: null,
      cold_start: false,
      fenced: false,
      ambiguous: false,
      ambiguous_before: false,
      ...row
    }
    if (this.slots.has(full.idempotency_key)) return null
    if (isLive(full) && this.liveRun(full.integration_id) !== undefined) return null
    this.slots.set(full.idempotency_key, full)
    this.runs.set(full.id, full)
    const siblings = this.ofIntegration.get(full.integration_id)
    if (siblings === undefined) this.ofIntegration.set(full.integration_id, [full])
    else siblings.push(full)
    this.transitions.push({
      run_id: full.id,
      from: null,
      to: full.status,
      why: "insert",
      at: this.now()
    })
    return full
  }

  runOfSlot(integrationId: string, scheduledFor: number): RunRow | undefined {
    return this.slots.get(`${integrationId}:${format(scheduledFor)}`)
  }

  runsOf(integrationId: string): ReadonlyArray<RunRow> {
    return this.ofIntegration.get(integrationId) ?? []
  }

  liveRun(integrationId: string, exceptRunId?: string): RunRow | undefined {
    return this.runsOf(integrationId).find((run) => isLive(run) && run.id !== exceptRunId)
  }

  /** Changes a run; the only way its status may change, so that no transition escapes the record. */
  move(run: RunRow, why: string, changes: Partial<RunRow>): void {
    if (run.status === "completed") throw new Error(`completed runs never change (${why})`)
    const from = run.status
    Object.assign(run, changes)
    if (run.status !== from) {
      this.transitions.push({ run_id: run.id, from, to: run.status, why, at: this.now() })
    }
  }
}

export const isLive = (run: RunRow): boolean =>
  run.status === "pending" ||
  run.status === "running" ||
  (run.status === "unknown" && run.released_at === null)

export const lastSignOfLife = (run: RunRow): number | null => {
  const signs = [run.started_at, run.attempt_started_at, run.began_at, run.heartbeat_at].filter(
    (at) => at !== null
  )
  return signs.length === 0 ? null : Math.max(...signs)
}
