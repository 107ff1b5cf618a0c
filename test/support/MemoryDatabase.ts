import { format } from "../../src/Domain/Instant.ts"

export class Raised extends Error {}

/** The columns that the engine's SQL functions use. Instants are in ms. */
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
  paused_reason: string | null
  reserved_by: string | null
  reserved_until: number | null
  fetch_token: string | null
  config: unknown
}

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
  claimed_at: number | null
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
  duration_ms: number | null
  warm_up_ms: number | null
  http_status: number | null
  error_code: string | null
  error_message: string | null
  api_provider: string | null
  api_host: string | null
  delay_reason: string | null
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
  recorded_by: string
}

export interface EventRow {
  run_id: string | null
  integration_id: string
  at: number
  kind: string
  from: string | null
  to: string | null
  attempt: number | null
  actor: string
  reason: string | null
}

export interface IncidentRow {
  kind: string
  subject: string
  opened_at: number
  last_seen_at: number
  occurrences: number
  resolved_at: number | null
}

/** Omits the columns that only probes and operators use. */
export interface HealthRow {
  provider: string
  host: string
  status: "unknown" | "healthy" | "unhealthy" | "throttled"
  mode: "active" | "passive"
  since: number
  updated_at: number
  consecutive_failures: number
  last_sync_at: number | null
  throttled_until: number | null
  last_throttled_at: number | null
  passive_until: number | null
  throttles: number
  /** Organisations whose syncs have failed since the API was last reached. */
  told_by: ReadonlyArray<string>
}

export interface HoldRow {
  provider: string
  host: string
  org_id: string
  throttled_until: number | null
  start_limit: number
  limit_ceiling: number
  limited_until: number | null
  told_at: number
  expires_at: number
}

export interface Transition {
  run_id: string
  from: string | null
  to: string
  why: string
  at: number
}

const isWaiting = (status: string): boolean => status === "pending" || status === "running"

const newestAttempted = (runs: ReadonlyArray<RunRow>): RunRow | undefined =>
  runs
    .filter(({ attempt, status }) => !isWaiting(status) && !(status === "skipped" && attempt === 0))
    .toSorted((a, b) => b.scheduled_for - a.scheduled_for)[0]

/** The in-memory database. test/contract/MemoryParity.test.ts verifies that it behaves like the SQL. */
export class MemoryDatabase {
  readonly integrations = new Map<string, IntegrationRow>()
  readonly runs = new Map<string, RunRow>()
  readonly ranges: Array<RangeRow> = []
  readonly events: Array<EventRow> = []
  readonly incidents: Array<IncidentRow> = []
  readonly ticks = new Map<string, unknown>()
  readonly health = new Map<string, HealthRow>()
  readonly holds = new Map<string, HoldRow>()
  readonly transitions: Array<Transition> = []
  /** Kept separately, so that a sweep does not scan the whole log. */
  readonly live = new Map<string, RunRow>()
  private readonly openIncidents = new Map<string, IncidentRow>()
  private readonly slots = new Map<string, RunRow>()
  private readonly ofIntegration = new Map<string, Array<RunRow>>()
  now: () => number
  /** Whether another session currently holds the integration's lock. */
  isLocked: (integrationId: string) => boolean = () => false
  /** Rows per page. The SQL functions use 100; a smaller page makes a test reach the limit more often. */
  pageLimit = 100
  private readonly nextId: (integrationId: string, scheduledFor: number) => string

  constructor(now: () => number, nextId: (integrationId: string, scheduledFor: number) => string) {
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
      paused_reason: null,
      reserved_by: null,
      reserved_until: null,
      fetch_token: null,
      config: {},
      ...row
    }
    this.integrations.set(full.id, full)
    return full
  }

  /** Returns null if the slot already has a run or the integration already has a live run. */
  insertRun(
    row: Partial<RunRow> & { integration_id: string; scheduled_for: number }
  ): RunRow | null {
    const integration = this.integrations.get(row.integration_id)
    const full: RunRow = {
      id: "",
      org_id: integration?.org_id ?? "",
      integration_type: integration?.integration_type ?? "unknown",
      idempotency_key: `${row.integration_id}:${format(row.scheduled_for)}`,
      trigger: "schedule",
      status: "pending",
      skip_reason: null,
      attempt: 0,
      max_attempts: integration?.max_attempts ?? 3,
      claimed_by: null,
      claimed_at: null,
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
      duration_ms: null,
      warm_up_ms: null,
      http_status: null,
      error_code: null,
      error_message: null,
      api_provider: null,
      api_host: null,
      delay_reason: null,
      response: null,
      cold_start: false,
      fenced: false,
      ambiguous: false,
      ambiguous_before: false,
      ...row
    }
    if (this.slots.has(full.idempotency_key)) return null
    if (isLive(full) && this.liveRun(full.integration_id) !== undefined) return null
    full.id = row.id ?? this.nextId(row.integration_id, row.scheduled_for)
    this.slots.set(full.idempotency_key, full)
    this.runs.set(full.id, full)
    const siblings = this.ofIntegration.get(full.integration_id)
    if (siblings === undefined) this.ofIntegration.set(full.integration_id, [full])
    else siblings.push(full)
    this.noteStatus(full, null, "insert")
    return full
  }

  runOfSlot(integrationId: string, scheduledFor: number): RunRow | undefined {
    return this.slots.get(`${integrationId}:${format(scheduledFor)}`)
  }

  runsOf(integrationId: string): ReadonlyArray<RunRow> {
    return this.ofIntegration.get(integrationId) ?? []
  }

  liveRun(integrationId: string, exceptRunId?: string): RunRow | undefined {
    for (const run of this.live.values()) {
      if (run.integration_id === integrationId && run.id !== exceptRunId) return run
    }
    return undefined
  }

  /** Applies every update of a run, so that every transition is recorded and no finished run changes. */
  move(run: RunRow, why: string, changes: Partial<RunRow>): void {
    if (run.status === "completed" || run.status === "failed" || run.status === "skipped") {
      const isRetry =
        run.status !== "completed" &&
        changes.status === "pending" &&
        (changes.max_attempts ?? 0) > Math.max(run.max_attempts, run.attempt)
      if (!isRetry) throw new Raised(`run ${run.id} is ${run.status}: finished runs never change`)
    }
    const from = run.status
    Object.assign(run, changes)
    this.noteStatus(run, from, why)
    if (run.status === "failed" && from !== "failed") this.raise("failing", run.integration_id)
    const isAgain = run.status === "pending" && run.attempt >= 2
    if (isAgain && (from === "running" || from === "unknown")) {
      this.raise("retrying", run.integration_id)
    }
  }

  private noteStatus(run: RunRow, from: string | null, why: string): void {
    if (isLive(run)) this.live.set(run.id, run)
    else this.live.delete(run.id)
    if (run.status !== from) {
      this.transitions.push({ run_id: run.id, from, to: run.status, why, at: this.now() })
    }
  }

  record(
    event: Pick<EventRow, "run_id" | "integration_id" | "kind" | "actor"> & Partial<EventRow>
  ): void {
    const { from = null, to = null, attempt = null, reason = null } = event
    this.events.push({ ...event, at: this.now(), from, to, attempt, reason })
  }

  raise(kind: string, subject: string): void {
    const open = this.openIncidents.get(`${kind}|${subject}`)
    const now = this.now()
    if (open === undefined) {
      const incident = { kind, subject, opened_at: now, last_seen_at: now }
      const row = { ...incident, occurrences: 1, resolved_at: null }
      this.incidents.push(row)
      this.openIncidents.set(`${kind}|${subject}`, row)
    } else {
      open.last_seen_at = now
      open.occurrences += 1
    }
  }

  resolve(kind: string, subject: string): void {
    const open = this.openIncidents.get(`${kind}|${subject}`)
    if (open !== undefined) open.resolved_at = this.now()
    this.openIncidents.delete(`${kind}|${subject}`)
  }

  resolveStale(kind: string, before: number): void {
    for (const row of [...this.openIncidents.values()]) {
      if (row.kind === kind && row.last_seen_at < before) this.resolve(kind, row.subject)
    }
  }

  resolveStates(): void {
    for (const { kind, subject } of [...this.openIncidents.values()]) {
      if (kind !== "failing" && kind !== "retrying") continue
      const isOn = this.integrations.get(subject)?.enabled === true
      const runs = this.runsOf(subject)
      const isSo =
        kind === "failing"
          ? newestAttempted(runs)?.status === "failed"
          : runs.some(({ attempt, status }) => isWaiting(status) && attempt >= 2)
      if (!isOn || !isSo) this.resolve(kind, subject)
    }
  }

  isOpen(kind: string, subject: string): boolean {
    return this.openIncidents.has(`${kind}|${subject}`)
  }
}

export const isLive = (run: RunRow): boolean =>
  run.status === "pending" ||
  run.status === "running" ||
  (run.status === "unknown" && run.released_at === null)

export const lastSignOfLife = (run: RunRow): number => {
  const signs = [run.started_at, run.attempt_started_at, run.began_at, run.heartbeat_at].filter(
    (at) => at !== null
  )
  return signs.length === 0 ? run.created_at : Math.max(...signs)
}
