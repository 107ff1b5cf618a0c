import { format } from "../../src/Domain/Instant.ts"
import { iso } from "./MemoryClaim.ts"
import { isLive, type MemoryDatabase, Raised } from "./MemoryDatabase.ts"
import { recordMove } from "./MemoryRun.ts"
import { editIntegration } from "./MemorySchedule.ts"

// Mirrors supabase/migrations/*_operator.sql.

const requireActor = (actor: string, reason: string): void => {
  if (actor.trim() === "" || reason.trim() === "") {
    throw new Raised("who (p_actor) and why (p_reason) are required")
  }
}

export const retry = (db: MemoryDatabase, runId: string, actor: string, why: string) => {
  requireActor(actor, why)
  const run = db.runs.get(runId)
  const refused = (reason: string) => ({ done: false, reason, status: run?.status ?? null })
  if (run === undefined) return refused("not_found")
  const from = run.status
  if (from !== "failed" && from !== "skipped" && from !== "unknown") {
    return refused(`status_is_${from}`)
  }
  const i = db.integrations.get(run.integration_id)
  if (i === undefined) return refused("gone")
  if (!i.enabled) return refused("disabled")
  if (db.liveRun(i.id, run.id) !== undefined) return refused("already_running")
  db.move(run, "operator_retry", {
    status: "pending",
    max_attempts: Math.max(run.max_attempts, run.attempt) + 1,
    claimed_by: null,
    not_before: Math.max(from === "unknown" ? (run.not_before ?? 0) : 0, db.now()),
    released_at: null,
    finished_at: null,
    duration_ms: null,
    skip_reason: null,
    lease_token: from === "unknown" ? run.lease_token : null
  })
  recordMove(db, run, "retried", from, actor, why)
  db.resolve("unknown", run.id)
  return {
    ...{ done: true, run_id: run.id, from, status: run.status, max_attempts: run.max_attempts },
    not_before: run.not_before === db.now() ? null : iso(run.not_before)
  }
}

export const releaseRun = (db: MemoryDatabase, runId: string, actor: string, why: string) => {
  requireActor(actor, why)
  const run = db.runs.get(runId)
  if (run === undefined || run.status !== "unknown" || !isLive(run)) {
    const reason =
      run === undefined
        ? "not_found"
        : run.status !== "unknown"
          ? `status_is_${run.status}`
          : "already_released"
    return { done: false, status: run?.status ?? null, reason }
  }
  db.move(run, "operator_release", { released_at: db.now() })
  db.resolve("unknown", run.id)
  recordMove(db, run, "released", "unknown", actor, why)
  return { done: true, run_id: run.id, status: "unknown" }
}

export const trigger = (db: MemoryDatabase, integrationId: string, actor: string, why: string) => {
  requireActor(actor, why)
  const i = db.integrations.get(integrationId)
  if (i === undefined) return { done: false, reason: "not_found" }
  if (!i.enabled) return { done: false, reason: "disabled" }
  if (db.liveRun(i.id) !== undefined) return { done: false, reason: "already_running" }
  const run = db.insertRun({ integration_id: i.id, scheduled_for: db.now(), trigger: "manual" })
  if (run === null) return { done: false, reason: "already_recorded" }
  db.record({
    run_id: run.id,
    integration_id: i.id,
    kind: "triggered",
    to: "pending",
    attempt: 0,
    actor,
    reason: why
  })
  return {
    done: true,
    run_id: run.id,
    scheduled_for: format(run.scheduled_for),
    status: run.status
  }
}

export const pause = (db: MemoryDatabase, integrationId: string, actor: string, why: string) => {
  requireActor(actor, why)
  const i = db.integrations.get(integrationId)
  if (i === undefined) return { done: false, reason: "not_found" }
  if (!i.enabled) return { done: false, reason: "already_paused" }
  editIntegration(db, i.id, { enabled: false, paused_reason: why })
  recordAction(db, i.id, "paused", actor, why)
  return { done: true, integration_id: i.id }
}

export const resume = (db: MemoryDatabase, integrationId: string, actor: string, why: string) => {
  requireActor(actor, why)
  const i = db.integrations.get(integrationId)
  if (i === undefined) return { done: false, reason: "not_found" }
  if (i.enabled && i.breaker_until === null && i.paused_reason === null) {
    return { done: false, reason: "not_paused" }
  }
  editIntegration(db, i.id, {
    enabled: true,
    paused_reason: null,
    breaker_until: null,
    consecutive_failures: 0
  })
  recordAction(db, i.id, "resumed", actor, why)
  db.resolve("breaker", i.id)
  return { done: true, integration_id: i.id }
}

const recordAction = (
  db: MemoryDatabase,
  integrationId: string,
  kind: string,
  actor: string,
  reason: string
): void => db.record({ run_id: null, integration_id: integrationId, kind, actor, reason })
