import { format } from "../../src/Domain/Instant.ts"
import { byText, isFree, iso } from "./MemoryClaim.ts"
import { type MemoryDatabase, Raised, type RunRow } from "./MemoryDatabase.ts"
import { holdBack } from "./MemoryHealth.ts"

// Mirrors supabase/migrations/*_run.sql, function by function.

export interface StartJson {
  readonly run_id: string
  readonly lease_token: string
  readonly lease_seconds: number
  readonly cold_start?: boolean
  readonly warm_up_ms?: number | null
  readonly api_provider?: string
  readonly api_host?: string
}

export const startRefusal = (
  db: MemoryDatabase,
  run: RunRow | undefined,
  engineId: string,
  leaseToken: string,
  adoptAfterSeconds: number
): string | null => {
  const now = db.now()
  if (run === undefined) return "gone"
  if (run.status !== "pending" || run.lease_token === leaseToken) return "lost_race"
  if (db.integrations.get(run.integration_id)?.enabled !== true) return "disabled"
  if (run.not_before !== null && run.not_before > now) return "not_before"
  const isAnothers = run.claimed_by !== null && run.claimed_by !== engineId
  if (isAnothers && !isFree(run, now, adoptAfterSeconds)) return "claimed_by_another"
  return null
}

export const start = (
  db: MemoryDatabase,
  engineId: string,
  starts: ReadonlyArray<StartJson>,
  adoptAfterSeconds: number,
  driftAlertSeconds: number
) => {
  if (starts.length > 100) throw new Raised("p_starts must be a JSON array of at most 100 starts")
  const now = db.now()
  const started: Array<RunRow> = []
  const held = holdBack(db, engineId, starts, adoptAfterSeconds)
  const isHeld = new Set(held.map(({ run_id }) => run_id))
  const skipped: Array<unknown> = [...held]
  for (const one of [...starts].sort((a, b) => byText(a.run_id, b.run_id))) {
    if (isHeld.has(one.run_id)) continue
    const run = db.runs.get(one.run_id)
    const api = { api_provider: one.api_provider ?? null, api_host: one.api_host ?? null }
    if (run?.status === "running" && run.lease_token === one.lease_token) {
      db.move(run, "start", api)
      started.push(run)
      continue
    }
    const reason = startRefusal(db, run, engineId, one.lease_token, adoptAfterSeconds)
    if (run === undefined || reason !== null) {
      skipped.push({ run_id: one.run_id, reason, status: run?.status ?? null })
      continue
    }
    const [claimedBy, knownWarmUp] = [run.claimed_by, run.warm_up_ms]
    db.move(run, "start", {
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
      duration_ms: null,
      http_status: null,
      error_code: null,
      error_message: null,
      response: null,
      cold_start: one.cold_start ?? false,
      warm_up_ms: one.warm_up_ms ?? null,
      ...api,
      delay_reason: null,
      fenced: db.integrations.get(run.integration_id)?.fenced ?? false,
      ambiguous_before: run.ambiguous
    })
    recordMove(db, run, "started", "pending", engineId)
    if (claimedBy !== null && claimedBy !== engineId) db.raise("rescued", claimedBy)
    if (knownWarmUp === null) noteFirstContact(db, run)
    if (run.attempt === 1 && run.trigger !== "backfill") {
      const isLate = (run.drift_ms ?? 0) > driftAlertSeconds * 1000
      if (isLate) db.raise("drift", run.integration_id)
      else db.resolve("drift", run.integration_id)
    }
    started.push(run)
  }
  return {
    now: format(now),
    started: started.map(({ attempt, drift_ms, id, integration_id }) => ({
      run_id: id,
      attempt,
      drift_ms,
      config: db.integrations.get(integration_id)?.config ?? {}
    })),
    skipped
  }
}

/** Mirrors sync_scheduler.after_first_contact. */
const noteFirstContact = (db: MemoryDatabase, run: RunRow): void => {
  if (run.warm_up_ms === null) return
  const name = db.integrations.get(run.integration_id)?.function_name ?? "(default)"
  if (run.cold_start) db.raise("cold_start", name)
  else db.resolve("cold_start", name)
}

export const recordMove = (
  db: MemoryDatabase,
  run: RunRow,
  kind: string,
  from: string,
  actor: string,
  reason: string | null = null
): void =>
  db.record({
    run_id: run.id,
    integration_id: run.integration_id,
    kind,
    from,
    to: run.status,
    attempt: run.attempt,
    actor,
    reason
  })

export const begin = (
  db: MemoryDatabase,
  runId: string,
  leaseToken: string | null,
  nonce: string | null
) => {
  const now = db.now()
  const run = db.runs.get(runId)
  const refused = (reason: string) => ({ granted: false, reason })
  if (run === undefined) return refused("not_found")
  if (leaseToken === null || run.lease_token !== leaseToken) return refused("token_mismatch")
  if (run.status !== "running") return refused("not_running")
  if (run.lease_until === null || run.lease_until <= now) return refused("lease_ended")
  const isAsked = nonce !== null && run.begin_nonce === nonce
  if (run.began_at !== null && !isAsked) return refused("already_begun")
  if (run.began_at === null) {
    db.move(run, "begin", {
      began_at: now,
      begin_nonce: nonce,
      heartbeat_at: now,
      lease_until: Math.max(run.lease_until, now + (run.lease_seconds ?? 0) * 1000)
    })
    recordMove(db, run, "began", run.status, "function")
  }
  return { granted: true }
}

export const heartbeat = (db: MemoryDatabase, runId: string, leaseToken: string | null) => {
  const now = db.now()
  const run = db.runs.get(runId)
  const refused = (reason: string) => ({ accepted: false, reason, status: run?.status ?? null })
  if (run === undefined) return refused("not_found")
  if (leaseToken === null || run.lease_token !== leaseToken) return refused("token_mismatch")
  if (run.status === "unknown" && run.released_at !== null) return refused("released")
  if (run.status !== "running" && run.status !== "unknown") return refused("not_running")
  const from = run.status
  db.move(run, "heartbeat", {
    status: "running",
    heartbeat_at: now,
    not_before: null,
    began_at: run.began_at ?? now,
    lease_until: Math.max(run.lease_until ?? 0, now + (run.lease_seconds ?? 0) * 1000)
  })
  if (from === "unknown") {
    recordMove(db, run, "heartbeat", from, "function")
    db.resolve("unknown", run.id)
  }
  return { accepted: true, status: run.status, lease_until: iso(run.lease_until) }
}
