import { format } from "../../src/Domain/Instant.ts"
import {
  type IntegrationRow,
  isLive,
  lastSignOfLife,
  type MemoryDatabase,
  type RunRow
} from "./MemoryDatabase.ts"

/** An error that the SQL function would raise. */
export class Raised extends Error {}

const iso = (ms: number | null): string | null => (ms === null ? null : format(ms))
const parse = (text: string | null | undefined): number | null =>
  text === null || text === undefined ? null : Date.parse(text)
const byId = <A extends { readonly id: string }>(a: A, b: A) => (a.id < b.id ? -1 : 1)

export interface SlotJson {
  readonly integration_id: string
  readonly org_id: string
  readonly schedule_version: number
  readonly expected_next_run_at: string | null
  readonly scheduled_for: string | null
  readonly trigger: string
  readonly next_run_at: string | null
  readonly passed_over: { from: string; to: string; count: number; reason: string } | null
  readonly schedule_error: string | null
}

export interface ResultJson {
  readonly outcome: string
  readonly http_status?: number | null
  readonly error_code?: string | null
  readonly error_message?: string | null
  readonly response?: unknown
  readonly retry_in_ms?: number | null
  readonly lease_seconds?: number | null
  readonly cold_start?: boolean
}

/** The SQL functions of supabase/migrations, mirrored over MemoryDatabase. Names and shapes are theirs. */
export class MemoryFunctions {
  readonly db: MemoryDatabase
  constructor(db: MemoryDatabase) {
    this.db = db
  }

  private runJson(run: RunRow) {
    const integration = this.db.integrations.get(run.integration_id)
    return {
      run_id: run.id,
      org_id: run.org_id,
      integration_id: run.integration_id,
      integration_type: run.integration_type,
      scheduled_for: format(run.scheduled_for),
      trigger: run.trigger,
      status: run.status,
      attempt: run.attempt,
      max_attempts: run.max_attempts,
      idempotency_key: run.idempotency_key,
      claimed_by: run.claimed_by,
      drift_ms: run.drift_ms,
      function_name: integration?.function_name ?? null,
      invoke_timeout_ms: integration?.invoke_timeout_ms ?? null,
      warm_up: integration?.warm_up ?? false,
      config: integration?.config ?? {}
    }
  }

  readDue(limit: number, cursor: string | null, scope: ScopeJson = {}) {
    const now = this.db.now()
    const [cursorAt, cursorId] = cursor === null ? [null, null] : split(cursor)
    const due = [...this.db.integrations.values()]
      .filter(
        (i) =>
          i.enabled &&
          i.schedule_error === null &&
          i.sync_schedule !== null &&
          (i.next_run_at === null || i.next_run_at <= now) &&
          (i.breaker_until === null || i.breaker_until <= now) &&
          (scope.org_id === undefined || i.org_id === scope.org_id) &&
          (scope.integration_ids === undefined || scope.integration_ids.includes(i.id))
      )
      .sort((a, b) => order(a.next_run_at, a.id, b.next_run_at, b.id))
      .filter((i) => cursorId === null || order(i.next_run_at, i.id, cursorAt, cursorId) > 0)
      .slice(0, Math.min(limit, 100))
    const last = due.length >= Math.min(limit, 100) ? due.at(-1) : undefined
    return {
      now: format(now),
      integrations: due.map((i) => ({
        integration_id: i.id,
        org_id: i.org_id,
        integration_type: i.integration_type,
        sync_schedule: i.sync_schedule,
        timezone: i.timezone,
        next_run_at: iso(i.next_run_at),
        schedule_version: i.schedule_version,
        schedule_since: format(i.schedule_since),
        catch_up: i.catch_up,
        catch_up_window_ms: i.catch_up_window_ms
      })),
      cursor: last === undefined ? null : `${iso(last.next_run_at) ?? ""}|${last.id}`
    }
  }

  readPending(
    limit: number,
    adoptAfterSeconds: number,
    scope: ScopeJson = {},
    exclude: ReadonlyArray<string> = []
  ) {
    const now = this.db.now()
    return [...this.db.runs.values()]
      .filter(
        (r) =>
          r.status === "pending" &&
          (r.not_before === null || r.not_before <= now) &&
          (r.claimed_by === null || r.created_at + adoptAfterSeconds * 1000 <= now) &&
          this.db.integrations.get(r.integration_id)?.enabled === true &&
          (scope.org_id === undefined || r.org_id === scope.org_id) &&
          (scope.integration_ids === undefined ||
            scope.integration_ids.includes(r.integration_id)) &&
          !exclude.includes(r.id)
      )
      .sort((a, b) => a.created_at - b.created_at || byId(a, b))
      .slice(0, Math.min(limit, 100))
      .map((r) => this.runJson(r))
  }

  private claimSlot(engineId: string, claimToken: string, slot: SlotJson) {
    const now = this.db.now()
    const i = this.db.integrations.get(slot.integration_id)
    if (i === undefined) return { skipped: "gone" }
    const scheduledFor = parse(slot.scheduled_for)
    const next = parse(slot.next_run_at)
    const expected = parse(slot.expected_next_run_at)
    const mine = scheduledFor === null ? undefined : this.db.runOfSlot(i.id, scheduledFor)
    if (mine !== undefined && mine.claim_token === claimToken)
      return { claimed: this.runJson(mine) }
    if (!i.enabled) return { skipped: "disabled" }
    if (i.schedule_version !== slot.schedule_version) return { skipped: "schedule_changed" }
    if (i.next_run_at !== expected || i.schedule_error !== null) return { skipped: "lost_race" }
    if (i.breaker_until !== null && i.breaker_until > now) return { skipped: "breaker_open" }
    if (slot.schedule_error !== null) {
      i.schedule_error = slot.schedule_error
      return { skipped: "schedule_error" }
    }
    if (scheduledFor === null && next === null)
      throw new Raised("neither scheduled_for nor next_run_at")
    if (scheduledFor !== null && scheduledFor > now) return { skipped: "not_due" }
    if (next !== null && next <= (scheduledFor ?? expected ?? Number.NEGATIVE_INFINITY)) {
      throw new Raised("next_run_at must be later than the slot it follows")
    }
    let run: RunRow | null = null
    if (scheduledFor !== null) {
      const live = this.db.liveRun(i.id)
      if (live !== undefined && live.scheduled_for !== scheduledFor)
        return { skipped: "already_running" }
      run = this.db.insertRun({
        integration_id: i.id,
        scheduled_for: scheduledFor,
        trigger: slot.trigger,
        claimed_by: engineId,
        claim_token: claimToken
      })
    }
    i.next_run_at = next
    if (slot.passed_over !== null) {
      this.db.ranges.push({
        integration_id: i.id,
        from: Date.parse(slot.passed_over.from),
        to: Date.parse(slot.passed_over.to),
        count: slot.passed_over.count,
        reason: slot.passed_over.reason
      })
    }
    if (scheduledFor === null) return { advanced: true }
    return run === null ? { skipped: "already_recorded" } : { claimed: this.runJson(run) }
  }

  claim(engineId: string, claimToken: string, slots: ReadonlyArray<SlotJson>) {
    if (slots.length > 100) throw new Raised("at most 100 slots")
    const claimed: Array<unknown> = []
    const skipped: Array<unknown> = []
    let advanced = 0
    for (const slot of [...slots].sort((a, b) => (a.integration_id < b.integration_id ? -1 : 1))) {
      const answer = this.claimSlot(engineId, claimToken, slot)
      if (answer.claimed !== undefined) claimed.push(answer.claimed)
      else if (answer.advanced !== undefined) advanced += 1
      else {
        skipped.push({
          integration_id: slot.integration_id,
          scheduled_for: slot.scheduled_for,
          reason: answer.skipped
        })
      }
    }
    return { now: format(this.db.now()), claimed, skipped, advanced }
  }

  release(engineId: string, runIds: ReadonlyArray<string>) {
    let released = 0
    for (const id of runIds.slice(0, 1000)) {
      const run = this.db.runs.get(id)
      if (run?.status === "pending" && run.claimed_by === engineId) {
        run.claimed_by = null
        released += 1
      }
    }
    return { released }
  }

  start(
    engineId: string,
    starts: ReadonlyArray<{ run_id: string; lease_token: string; lease_seconds: number }>,
    adoptAfterSeconds: number
  ) {
    const now = this.db.now()
    const started: Array<unknown> = []
    const skipped: Array<unknown> = []
    for (const one of [...starts].sort((a, b) => (a.run_id < b.run_id ? -1 : 1))) {
      const run = this.db.runs.get(one.run_id)
      if (run?.status === "running" && run.lease_token === one.lease_token) {
        started.push(this.runJson(run))
        continue
      }
      const reason = this.whyNotStarted(run, engineId, adoptAfterSeconds)
      if (run === undefined || reason !== null) {
        skipped.push({ run_id: one.run_id, reason, status: run?.status ?? null })
        continue
      }
      this.db.move(run, "start", {
        status: "running",
        attempt: run.attempt + 1,
        claimed_by: engineId,
        lease_token: one.lease_token,
        lease_seconds: Math.ceil(one.lease_seconds),
        lease_until: now + one.lease_seconds * 1000,
        started_at: run.started_at ?? now,
        attempt_started_at: now,
        drift_ms: run.drift_ms ?? now - run.scheduled_for,
        began_at: null,
        begin_nonce: null,
        heartbeat_at: null,
        not_before: null,
        released_at: null,
        finished_at: null,
        http_status: null,
        error_code: null,
        error_message: null,
        response: null,
        fenced: this.db.integrations.get(run.integration_id)?.fenced ?? false,
        ambiguous_before: run.ambiguous
      })
      started.push(this.runJson(run))
    }
    return { now: format(now), started, skipped }
  }

  private whyNotStarted(run: RunRow | undefined, engineId: string, adoptAfterSeconds: number) {
    const now = this.db.now()
    if (run === undefined) return "gone"
    if (run.status !== "pending") return "lost_race"
    if (this.db.integrations.get(run.integration_id)?.enabled !== true) return "disabled"
    if (run.not_before !== null && run.not_before > now) return "not_before"
    if (
      run.claimed_by !== null &&
      run.claimed_by !== engineId &&
      run.created_at + adoptAfterSeconds * 1000 > now
    ) {
      return "claimed_by_another"
    }
    return null
  }

  settle(
    settlements: ReadonlyArray<ResultJson & { run_id: string; lease_token: string }>,
    quiescenceSeconds: number
  ) {
    return {
      now: format(this.db.now()),
      settled: [...settlements]
        .sort((a, b) => (a.run_id < b.run_id ? -1 : 1))
        .map((one) => this.settleRun(one.run_id, one.lease_token, one, quiescenceSeconds))
    }
  }

  settleRun(
    runId: string,
    leaseToken: string | null,
    result: ResultJson,
    quiescenceSeconds: number
  ) {
    const now = this.db.now()
    const run = this.db.runs.get(runId)
    if (run === undefined) return { run_id: runId, accepted: false, reason: "not_found" }
    if (leaseToken === null || run.lease_token !== leaseToken) {
      return {
        run_id: runId,
        accepted: false,
        reason: "token_mismatch",
        status: run.status,
        attempt: run.attempt
      }
    }
    const to = nextStatus(run, result.outcome)
    if (to === null) {
      return {
        run_id: runId,
        status: run.status,
        attempt: run.attempt,
        retry_at: run.status === "pending" ? iso(run.not_before) : null,
        accepted:
          run.status === result.outcome ||
          ((run.status === "pending" || run.status === "unknown") &&
            result.outcome === "not_executed"),
        reason: run.status === result.outcome ? null : "finished"
      }
    }
    const clean = to === "completed" || result.outcome === "accepted"
    const accepted = result.outcome === "accepted" ? (result.lease_seconds ?? 1800) : null
    this.db.move(run, `settle:${result.outcome}`, {
      status: to,
      http_status: result.http_status ?? run.http_status,
      error_code: clean ? null : (result.error_code ?? null),
      error_message: clean ? null : (result.error_message ?? null),
      response: result.response ?? run.response,
      cold_start: result.cold_start ?? run.cold_start,
      lease_seconds:
        accepted === null ? run.lease_seconds : Math.max(accepted, run.lease_seconds ?? 0),
      lease_until:
        accepted === null
          ? run.lease_until
          : Math.max(run.lease_until ?? 0, (run.attempt_started_at ?? now) + accepted * 1000),
      claimed_by: to === "pending" ? null : run.claimed_by,
      not_before:
        to === "pending"
          ? now + (result.retry_in_ms ?? 0)
          : to === "unknown"
            ? (lastSignOfLife(run) ?? now) + quiescenceSeconds * 1000
            : null,
      ambiguous:
        to === "failed" || to === "pending"
          ? run.ambiguous_before
          : to === "unknown"
            ? true
            : run.ambiguous,
      finished_at: to === "completed" || to === "failed" ? now : null,
      released_at: to === "unknown" ? run.released_at : null
    })
    if (result.outcome === "completed" || result.outcome === "failed") this.countOutcome(run)
    return {
      run_id: runId,
      accepted: true,
      status: run.status,
      attempt: run.attempt,
      retry_at: run.status === "pending" ? iso(run.not_before) : null
    }
  }

  private countOutcome(run: RunRow) {
    const i = this.db.integrations.get(run.integration_id)
    if (i === undefined) return
    if (run.status === "completed") {
      i.consecutive_failures = 0
      i.breaker_until = null
    } else if (run.status === "failed") {
      i.consecutive_failures += 1
      if (i.consecutive_failures >= 5) {
        const ms = Math.min(900_000 * 2 ** Math.min(i.consecutive_failures - 5, 20), 86_400_000)
        i.breaker_until = this.db.now() + ms
      }
    }
  }

  begin(runId: string, leaseToken: string | null, nonce: string | null) {
    const now = this.db.now()
    const run = this.db.runs.get(runId)
    const refused = (reason: string) => ({ granted: false, reason })
    if (run === undefined) return refused("not_found")
    if (leaseToken === null || run.lease_token !== leaseToken) return refused("token_mismatch")
    if (run.status !== "running") return refused("not_running")
    if (run.lease_until === null || run.lease_until <= now) return refused("lease_ended")
    if (run.began_at !== null && (nonce === null || run.begin_nonce !== nonce))
      return refused("already_begun")
    if (run.began_at === null) {
      run.began_at = now
      run.begin_nonce = nonce
      run.heartbeat_at = now
      run.lease_until = Math.max(run.lease_until, now + (run.lease_seconds ?? 0) * 1000)
    }
    return { granted: true }
  }

  heartbeat(runId: string, leaseToken: string | null) {
    const now = this.db.now()
    const run = this.db.runs.get(runId)
    const refused = (reason: string) => ({ accepted: false, reason, status: run?.status ?? null })
    if (run === undefined) return refused("not_found")
    if (leaseToken === null || run.lease_token !== leaseToken) return refused("token_mismatch")
    if (run.status === "unknown" && run.released_at !== null) return refused("released")
    if (run.status !== "running" && run.status !== "unknown") return refused("not_running")
    this.db.move(run, "heartbeat", {
      status: "running",
      heartbeat_at: now,
      not_before: null,
      began_at: run.began_at ?? now,
      lease_until: Math.max(run.lease_until ?? 0, now + (run.lease_seconds ?? 0) * 1000)
    })
    return { accepted: true, status: run.status, lease_until: iso(run.lease_until) }
  }

  complete(
    runId: string,
    leaseToken: string,
    status: "completed" | "failed",
    error: { code?: string; message?: string } | null,
    response: unknown
  ) {
    const { run_id: _, ...answer } = this.settleRun(
      runId,
      leaseToken,
      {
        outcome: status,
        response,
        error_code: status === "failed" ? (error?.code ?? "FUNCTION_FAILED") : null,
        error_message:
          status === "failed" ? (error?.message ?? "The function reported a failure.") : null
      },
      430
    )
    return answer
  }

  sweep(quiescenceSeconds: number, runningGuardSeconds: number) {
    const now = this.db.now()
    const swept = { expired: 0, proven: 0, requeued: 0, released: 0, skipped: 0 }
    const live = [...this.db.runs.values()].filter(isLive).sort(byId)
    for (const run of live) {
      const ended =
        run.lease_until === null
          ? (run.started_at ?? run.created_at) + runningGuardSeconds * 1000
          : run.lease_until
      if (run.status === "running" && ended <= now) {
        this.db.move(run, "lease_ended", {
          status: "unknown",
          ambiguous: true,
          lease_until: run.lease_until ?? now,
          not_before: (lastSignOfLife(run) ?? run.created_at) + quiescenceSeconds * 1000,
          error_code: run.error_code ?? "LEASE_ENDED",
          error_message: run.error_message ?? "No outcome was reported before the lease ended."
        })
        swept.expired += 1
      }
    }
    for (const run of live) {
      if (run.status === "unknown" && run.released_at === null) this.sweepUnknown(run, swept)
    }
    for (const run of live) {
      const i = this.db.integrations.get(run.integration_id)
      if (run.status === "pending" && i?.enabled !== true) {
        this.db.move(run, "disabled", {
          status: run.ambiguous ? "unknown" : "skipped",
          skip_reason: i === undefined ? "gone" : "disabled",
          not_before: run.ambiguous
            ? (lastSignOfLife(run) ?? run.created_at) + quiescenceSeconds * 1000
            : null,
          released_at: run.ambiguous ? now : null,
          finished_at: run.ambiguous ? null : now
        })
        swept.skipped += 1
      }
    }
    return swept
  }

  private sweepUnknown(run: RunRow, swept: { proven: number; requeued: number; released: number }) {
    const now = this.db.now()
    const i: IntegrationRow | undefined = this.db.integrations.get(run.integration_id)
    const neverBegan = run.fenced && run.began_at === null && (run.lease_until ?? 0) <= now
    const mayRetry = (i?.on_unknown ?? "retry") === "retry" && (run.not_before ?? 0) <= now
    if (neverBegan) {
      const to =
        run.attempt < run.max_attempts ? "pending" : run.ambiguous_before ? "unknown" : "failed"
      this.db.move(run, "never_began", {
        status: to,
        ambiguous: run.ambiguous_before,
        claimed_by: null,
        not_before: null,
        fenced: run.fenced && to !== "unknown",
        released_at: to === "unknown" ? now : null,
        finished_at: to === "failed" ? now : null
      })
      if (to === "unknown") swept.released += 1
      else swept.proven += 1
    } else if (mayRetry && run.attempt < run.max_attempts) {
      this.db.move(run, "on_unknown_retry", {
        status: "pending",
        claimed_by: null,
        not_before: null
      })
      swept.requeued += 1
    } else if (mayRetry) {
      this.db.move(run, "no_attempts_left", { released_at: now })
      swept.released += 1
    }
  }

  openTick(tickId: string, options: OpenOptionsJson) {
    const swept = this.sweep(options.quiescence_seconds, options.running_guard_seconds)
    const pending = this.readPending(options.limit, options.adopt_after_seconds, options)
    const due = this.readDue(options.limit, null, options)
    const idle = pending.length === 0 && due.integrations.length === 0
    if (!this.db.ticks.has(tickId)) this.db.ticks.set(tickId, null)
    return { ...due, schema_version: "memory", idle, swept, pending }
  }

  finishTick(tickId: string, summary: unknown) {
    this.db.ticks.set(tickId, summary)
    return { finished: true }
  }
}

export interface ScopeJson {
  readonly org_id?: string | undefined
  readonly integration_ids?: ReadonlyArray<string> | undefined
}

export interface OpenOptionsJson extends ScopeJson {
  readonly adopt_after_seconds: number
  readonly quiescence_seconds: number
  readonly running_guard_seconds: number
  readonly limit: number
}

const nextStatus = (run: RunRow, outcome: string): RunRow["status"] | null => {
  if (run.status !== "pending" && run.status !== "running" && run.status !== "unknown") return null
  if (run.status !== "running" && outcome !== "completed" && outcome !== "failed") return null
  switch (outcome) {
    case "completed":
      return "completed"
    case "failed":
      return run.ambiguous_before ? "unknown" : "failed"
    case "accepted":
      return "running"
    case "unknown":
      return "unknown"
    case "not_executed":
      if (run.began_at !== null) return "unknown"
      if (run.attempt < run.max_attempts) return "pending"
      return run.ambiguous_before ? "unknown" : "failed"
    default:
      throw new Raised(`unknown outcome ${outcome}`)
  }
}

const order = (aAt: number | null, aId: string, bAt: number | null, bId: string): number =>
  (aAt ?? Number.NEGATIVE_INFINITY) - (bAt ?? Number.NEGATIVE_INFINITY) ||
  (aId < bId ? -1 : aId > bId ? 1 : 0)

const split = (cursor: string): [number | null, string] => {
  const [at, id] = cursor.split("|")
  return [at === undefined || at === "" ? null : Date.parse(at), id ?? ""]
}
