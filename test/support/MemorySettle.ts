import { format } from "../../src/Domain/Instant.ts"
import { byText, iso } from "./MemoryClaim.ts"
import { lastSignOfLife, type MemoryDatabase, Raised, type RunRow } from "./MemoryDatabase.ts"
import { learnOutcome, learnReached, learnSigns, type SignJson } from "./MemoryHealth.ts"
import { recordMove } from "./MemoryRun.ts"

// Mirrors how supabase/migrations/*_run.sql settles runs, function by function.

export interface ResultJson {
  readonly outcome: string
  readonly http_status?: number | null
  readonly error_code?: string | null
  readonly error_message?: string | null
  readonly response?: unknown
  readonly retry_in_ms?: number | null
  readonly lease_seconds?: number | null
  readonly cold_start?: boolean | null
  readonly warm_up_ms?: number | null
}

export interface SettlementJson extends ResultJson {
  readonly run_id: string
  readonly lease_token: string | null
  readonly health?: SignJson
}

/** Returns null if the outcome is not accepted in this state. */
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

const settleRun = (
  db: MemoryDatabase,
  runId: string,
  leaseToken: string | null,
  result: ResultJson,
  actor: string,
  quiescenceSeconds: number,
  learns = true
) => {
  const now = db.now()
  const { outcome } = result
  const run = db.runs.get(runId)
  if (run === undefined) return { run_id: runId, accepted: false, reason: "not_found" }
  if (leaseToken === null || run.lease_token !== leaseToken) {
    return { run_id: runId, accepted: false, reason: "token_mismatch", status: run.status }
  }
  const isGood = outcome === "completed" || outcome === "accepted"
  const errorCode = isGood ? null : (result.error_code ?? null)
  const errorMessage = isGood ? null : (result.error_message ?? null)
  const accepted = outcome === "accepted" ? Math.ceil(result.lease_seconds ?? 1800) : null
  const from = run.status
  const to = nextStatus(run, outcome)
  const leaseUntil =
    accepted === null || run.attempt_started_at === null
      ? run.lease_until
      : Math.max(run.lease_until ?? 0, run.attempt_started_at + accepted * 1000)
  const isKnown =
    (to === from &&
      to === "unknown" &&
      run.error_code === errorCode &&
      run.error_message === errorMessage) ||
    (accepted !== null && run.lease_until === leaseUntil && (run.lease_seconds ?? -1) >= accepted)
  if (to === null || isKnown) {
    const { status } = run
    const isRepeated =
      to !== null ||
      status === outcome ||
      (outcome === "not_executed" &&
        ["pending", "unknown", "failed"].includes(status) &&
        run.error_code === errorCode)
    return {
      run_id: runId,
      status,
      ...retryAt(run),
      accepted: isRepeated,
      ...(isRepeated ? {} : { reason: "finished" })
    }
  }
  const isOver = to === "completed" || to === "failed"
  db.move(run, `settle:${outcome}`, {
    status: to,
    http_status: result.http_status ?? run.http_status,
    error_code: errorCode,
    error_message: errorMessage,
    response: result.response ?? run.response,
    cold_start: result.cold_start ?? run.cold_start,
    warm_up_ms: result.warm_up_ms ?? run.warm_up_ms,
    lease_seconds:
      accepted === null ? run.lease_seconds : Math.max(accepted, run.lease_seconds ?? 0),
    lease_until: leaseUntil,
    claimed_by: to === "pending" ? null : run.claimed_by,
    not_before:
      to === "pending"
        ? now + (result.retry_in_ms ?? 0)
        : to === "unknown"
          ? lastSignOfLife(run) + quiescenceSeconds * 1000
          : null,
    ambiguous:
      to === "failed" || to === "pending"
        ? run.ambiguous_before
        : to === "unknown"
          ? true
          : run.ambiguous,
    finished_at: isOver ? now : null,
    duration_ms: isOver ? now - (run.attempt_started_at ?? run.started_at ?? run.created_at) : null,
    released_at: to === "unknown" ? run.released_at : null
  })
  recordMove(db, run, "settled", from, actor, outcome)
  if ((outcome === "completed" || outcome === "failed") && to !== "unknown") {
    countOutcome(db, run)
    if (learns) learnOutcome(db, run)
  }
  if (to === "unknown") db.raise("unknown", run.id)
  else if (from === "unknown" || (run.ambiguous && to === "completed"))
    db.resolve("unknown", run.id)
  return {
    run_id: runId,
    accepted: true,
    status: run.status,
    ...retryAt(run)
  }
}

const retryAt = ({ not_before, status }: RunRow) =>
  status === "pending" && not_before !== null ? { retry_at: iso(not_before) } : {}

const countOutcome = (db: MemoryDatabase, run: RunRow): void => {
  const i = db.integrations.get(run.integration_id)
  if (i === undefined) return
  if (run.status === "completed" && (i.consecutive_failures > 0 || i.breaker_until !== null)) {
    i.consecutive_failures = 0
    i.breaker_until = null
    db.resolve("breaker", i.id)
  } else if (run.status === "failed") {
    i.consecutive_failures += 1
    if (i.consecutive_failures < 5) return
    const ms = Math.min(900_000 * 2 ** Math.min(i.consecutive_failures - 5, 20), 86_400_000)
    i.breaker_until = db.now() + ms
    db.raise("breaker", i.id)
  }
}

/** Returns whether settle_runs settles this outcome together with others in one statement. */
const isOrdinary = (db: MemoryDatabase, one: SettlementJson): boolean => {
  const run = db.runs.get(one.run_id)
  const i = run === undefined ? undefined : db.integrations.get(run.integration_id)
  return (
    run !== undefined &&
    i !== undefined &&
    run.lease_token === one.lease_token &&
    one.outcome === "completed" &&
    run.status === "running" &&
    !run.ambiguous &&
    i.consecutive_failures === 0 &&
    i.breaker_until === null
  )
}

/** Updates each API once for all its ordinary outcomes. */
const learnTogether = (db: MemoryDatabase, ordinary: ReadonlyArray<SettlementJson>): void => {
  const apis = new Map<string, readonly [provider: string, host: string, orgs: Array<string>]>()
  for (const { run_id } of ordinary) {
    const run = db.runs.get(run_id)
    if (run === undefined || run.api_host === null || run.api_provider === null) continue
    const key = `${run.api_provider}/${run.api_host}`
    const api = apis.get(key) ?? [run.api_provider, run.api_host, []]
    api[2].push(run.org_id)
    apis.set(key, api)
  }
  for (const api of apis.values()) learnReached(db, ...api)
}

export const settle = (
  db: MemoryDatabase,
  engineId: string,
  settlements: ReadonlyArray<SettlementJson>,
  quiescenceSeconds: number
) => {
  if (settlements.length > 100) {
    throw new Raised("p_settlements must be a JSON array of at most 100 settlements")
  }
  const each = (chosen: ReadonlyArray<SettlementJson>, learns: boolean) =>
    [...chosen]
      .sort((a, b) => byText(a.run_id, b.run_id))
      .map((one) =>
        settleRun(db, one.run_id, one.lease_token, one, engineId, quiescenceSeconds, learns)
      )
  const ordinary = settlements.filter((one) => isOrdinary(db, one))
  const rest = settlements.filter((one) => !ordinary.includes(one))
  const settled = each(ordinary, false)
  learnTogether(db, ordinary)
  settled.push(...each(rest, true))
  settled.sort((a, b) => byText(a.run_id, b.run_id))
  learnSigns(db, settlements)
  return { now: format(db.now()), settled }
}

export const complete = (
  db: MemoryDatabase,
  runId: string,
  leaseToken: string | null,
  status: string,
  error: { code?: string; message?: string } | null,
  response: unknown
) => {
  if (status !== "completed" && status !== "failed") {
    throw new Raised(`p_status must be completed or failed, not ${status}`)
  }
  const isFailed = status === "failed"
  const result = {
    outcome: status,
    response,
    error_code: isFailed ? (error?.code ?? "FUNCTION_FAILED") : null,
    error_message: isFailed
      ? (error?.message ??
        (error === null ? "The function reported a failure." : JSON.stringify(error)))
      : null
  }
  const { run_id: _, ...answer } = settleRun(db, runId, leaseToken, result, "function", 430)
  return answer
}
