import { SCHEMA_VERSION } from "../../src/Version.ts"
import {
  byText,
  type FetchOptionsJson,
  fetchWork,
  isFree,
  iso,
  RESERVED_MS,
  runJson,
  type ScopeJson
} from "./MemoryClaim.ts"
import { lastSignOfLife, type MemoryDatabase, type RunRow } from "./MemoryDatabase.ts"
import { pruneHolds } from "./MemoryHealth.ts"
import { recordMove } from "./MemoryRun.ts"

// Mirrors supabase/migrations/*_sweep.sql, except for retention, backfill requests and the response's `apis` field.

export interface OpenOptionsJson extends FetchOptionsJson {
  readonly quiescence_seconds: number
  readonly running_guard_seconds: number
  readonly limit: number
  readonly warm_up_within_seconds?: number
}

/** Returns whether the fence proves that the last attempt did nothing. Ignores proofs that would not change the status. */
const isProven = (run: RunRow, now: number): boolean =>
  run.fenced &&
  run.began_at === null &&
  run.lease_until !== null &&
  run.lease_until <= now &&
  (run.attempt < run.max_attempts || !run.ambiguous_before)

export const sweep = (
  db: MemoryDatabase,
  engineId: string,
  quiescenceSeconds: number,
  runningGuardSeconds: number
) => {
  const now = db.now()
  const guarded = now - runningGuardSeconds * 1000
  const swept = { expired: 0, proven: 0, requeued: 0, released: 0, skipped: 0 }
  const onUnknownOf = (run: RunRow) =>
    db.integrations.get(run.integration_id)?.on_unknown ?? "retry"
  const live = (status: RunRow["status"]) =>
    [...db.live.values()].filter((run) => run.status === status)

  const running = live("running")
  const leased = running.filter((run) => run.lease_until !== null && run.lease_until <= now)
  const unleased = running.filter(
    (run) => run.lease_until === null && (run.started_at ?? run.created_at) <= guarded
  )
  leased.sort((a, b) => (a.lease_until ?? 0) - (b.lease_until ?? 0))
  for (const run of [...leased, ...unleased]) {
    db.move(run, "lease_ended", {
      status: "unknown",
      ambiguous: true,
      lease_until: run.lease_until ?? now,
      not_before: lastSignOfLife(run) + quiescenceSeconds * 1000,
      error_code: run.error_code ?? "LEASE_ENDED",
      error_message: run.error_message ?? "No outcome was reported before the lease ended."
    })
    recordMove(db, run, "swept", "running", engineId, "lease_ended")
    db.raise("unknown", run.id)
    swept.expired += 1
  }

  const lost = live("unknown").filter(
    (run) => isProven(run, now) || (onUnknownOf(run) !== "hold" && (run.not_before ?? 0) <= now)
  )
  for (const run of lost.sort((a, b) => (a.not_before ?? 0) - (b.not_before ?? 0))) {
    swept[sweepUnknown(db, engineId, run)] += 1
  }

  const waiting = live("pending").filter(
    (run) => db.integrations.get(run.integration_id)?.enabled !== true
  )
  waiting.sort((a, b) => a.created_at - b.created_at || byText(a.id, b.id))
  for (const run of waiting) {
    const isUnknown = run.ambiguous
    const reason = db.integrations.has(run.integration_id) ? "disabled" : "gone"
    const isHeld = onUnknownOf(run) === "hold"
    db.move(run, "disabled", {
      status: isUnknown ? "unknown" : "skipped",
      skip_reason: reason,
      claimed_by: null,
      not_before: isUnknown ? now : null,
      released_at: isUnknown && !isHeld ? now : null,
      finished_at: isUnknown ? null : now
    })
    recordMove(db, run, "swept", "pending", engineId, reason)
    if (isUnknown) db.raise("unknown", run.id)
    swept.skipped += 1
  }
  return swept
}

const sweepUnknown = (
  db: MemoryDatabase,
  engineId: string,
  run: RunRow
): "proven" | "requeued" | "released" => {
  const now = db.now()
  const isLeft = run.attempt < run.max_attempts
  if (isProven(run, now)) {
    db.move(run, "never_began", {
      status: isLeft ? "pending" : "failed",
      ambiguous: run.ambiguous_before,
      claimed_by: null,
      not_before: null,
      finished_at: isLeft ? null : now,
      duration_ms: isLeft ? null : now - (run.attempt_started_at ?? run.created_at)
    })
    recordMove(db, run, "swept", "unknown", engineId, "never_began")
    if (!run.ambiguous_before) db.resolve("unknown", run.id)
    return "proven"
  }
  if (isLeft) {
    db.move(run, "on_unknown_retry", { status: "pending", claimed_by: null, not_before: null })
    recordMove(db, run, "swept", "unknown", engineId, "on_unknown_retry")
    return "requeued"
  }
  db.move(run, "no_attempts_left", { released_at: now })
  recordMove(db, run, "released", "unknown", engineId, "no_attempts_left")
  return "released"
}

export const readPending = (
  db: MemoryDatabase,
  limit: number,
  adoptAfterSeconds: number,
  scope: ScopeJson
) => {
  const now = db.now()
  return [...db.live.values()]
    .filter((run) => {
      const i = db.integrations.get(run.integration_id)
      return (
        run.status === "pending" &&
        i?.enabled === true &&
        (run.not_before === null || run.not_before <= now) &&
        isFree(run, now, adoptAfterSeconds) &&
        (scope.org_id === undefined || i.org_id === scope.org_id) &&
        (scope.integration_ids === undefined || scope.integration_ids.includes(i.id))
      )
    })
    .sort((a, b) => a.created_at - b.created_at || byText(a.id, b.id))
    .slice(0, Math.min(Math.max(limit, 1), 100))
    .map((run) => runJson(run, db.integrations.get(run.integration_id)))
}

export const openTick = (
  db: MemoryDatabase,
  tickId: string,
  engineId: string,
  options: OpenOptionsJson
) => {
  const swept = sweep(db, engineId, options.quiescence_seconds, options.running_guard_seconds)
  const work = fetchWork(db, engineId, tickId, options.limit, options)
  const idle = work.pending.length === 0 && work.integrations.length === 0
  if (!db.ticks.has(tickId)) {
    db.ticks.set(tickId, null)
    db.resolveStale("rescued", db.now() - 15 * 60_000)
    db.resolveStale("clock_skew", db.now() - 86_400_000)
    db.resolveStates()
  }
  if (idle) pruneHolds(db)
  const warm_ups = upcomingWarmUps(db, options.warm_up_within_seconds ?? 60)
  return {
    ...work,
    schema_version: SCHEMA_VERSION,
    idle,
    swept,
    several_organisations:
      !idle &&
      new Set([...db.integrations.values()].filter((i) => i.enabled).map((i) => i.org_id)).size > 1,
    backfills: false,
    warm_ups,
    clock_skew_open: db.isOpen("clock_skew", hostOf(engineId)),
    // The mirror sends no alerts, so every incident still needs one.
    alerts: db.incidents.length > 0,
    apis: null
  }
}

const hostOf = (engineId: string): string => engineId.replace(/-[0-9]+-[0-9a-f]{4}$/, "")

/** Mirrors read_upcoming_warm_ups, except for the measurement that pauses warm-ups. */
export const upcomingWarmUps = (db: MemoryDatabase, withinSeconds: number) => {
  const now = db.now()
  const first = new Map<string | null, number>()
  for (const i of db.integrations.values()) {
    const at = i.next_run_at
    if (!i.enabled || !i.warm_up || i.schedule_error !== null || at === null) continue
    if (at <= now || at > now + withinSeconds * 1000) continue
    first.set(i.function_name, Math.min(at, first.get(i.function_name) ?? at))
  }
  return [...first]
    .sort(([, a], [, b]) => a - b)
    .map(([function_name, at]) => ({ function_name, next_run_at: iso(at) }))
}

const releaseReserved = (db: MemoryDatabase, engineId: string) => {
  const now = db.now()
  for (const run of db.runs.values()) {
    if (run.created_at <= now - RESERVED_MS || run.claimed_by !== engineId) continue
    const i = db.integrations.get(run.integration_id)
    if (i?.reserved_by === engineId && (i.reserved_until ?? 0) > now) i.reserved_until = null
  }
}

export const finishTick = (
  db: MemoryDatabase,
  tickId: string,
  engineId: string,
  summary: unknown,
  clockSkewMs: number | null
) => {
  const host = hostOf(engineId)
  if (!db.ticks.has(tickId)) {
    db.resolveStale("rescued", db.now() - 15 * 60_000)
    db.resolveStale("clock_skew", db.now() - 86_400_000)
    db.resolveStates()
  }
  db.ticks.set(tickId, summary)
  if (clockSkewMs !== null) {
    if (Math.abs(clockSkewMs) > 5000) db.raise("clock_skew", host)
    else db.resolve("clock_skew", host)
  }
  releaseReserved(db, engineId)
  pruneHolds(db)
  return { finished: true }
}
