import { byText, iso } from "./MemoryClaim.ts"
import type { HealthRow, MemoryDatabase, RunRow } from "./MemoryDatabase.ts"
import { recordMove, type StartJson, startRefusal } from "./MemoryRun.ts"

// Mirrors learning and holding back in supabase/migrations/*_health.sql, without probes and without detail texts.

/** What the engine says of a vendor's answer. */
export interface SignJson {
  readonly provider: string
  readonly host: string | null
  readonly sign: "throttled" | "unreachable" | "reachable"
  readonly code: string | null
  readonly http_status: number | null
  readonly wait_ms: number | null
  readonly ceiling: number | null
  readonly low: boolean
}

const keyOf = (provider: string, host: string) => `${provider}/${host}`

const rowOf = (db: MemoryDatabase, provider: string, host: string): HealthRow => {
  const known = db.health.get(keyOf(provider, host))
  if (known !== undefined) return known
  const now = db.now()
  const row: HealthRow = {
    provider,
    host,
    status: "unknown",
    mode: "active",
    since: now,
    updated_at: now,
    consecutive_failures: 0,
    last_sync_at: null,
    throttled_until: null,
    last_throttled_at: null,
    passive_until: null,
    limited_until: null,
    throttles: 0,
    start_limit: null,
    limit_ceiling: 5
  }
  db.health.set(keyOf(provider, host), row)
  return row
}

const isLater = (at: number | null, now: number): boolean => at !== null && at > now
const laterOf = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b)
const clampWait = (ms: number | null): number => Math.min(Math.max(ms ?? 60_000, 1_000), 3_600_000)

/** sync_scheduler.learn_reached */
export const learnReached = (
  db: MemoryDatabase,
  provider: string,
  host: string,
  count: number
): void => {
  const now = db.now()
  const isNew = !db.health.has(keyOf(provider, host))
  const h = rowOf(db, provider, host)
  if (isNew) {
    Object.assign(h, { status: "healthy", last_sync_at: now })
    return
  }
  const isNoNews =
    h.status === "healthy" &&
    h.start_limit === null &&
    h.consecutive_failures === 0 &&
    isLater(h.last_sync_at, now - 60_000)
  if (isNoNews || isLater(h.throttled_until, now)) return
  const isLimited = isLater(h.limited_until, now)
  const raised = h.start_limit === null ? null : h.start_limit + count
  if (h.status !== "healthy") {
    h.since = now
    db.resolve("health", keyOf(provider, host))
  }
  h.status = "healthy"
  h.last_sync_at = now
  h.consecutive_failures = 0
  h.throttled_until = null
  if (!isLimited) {
    h.start_limit = raised !== null && raised < h.limit_ceiling ? raised : null
    h.limited_until = null
  }
  h.updated_at = now
}

/** sync_scheduler.learn_failed */
const learnFailed = (db: MemoryDatabase, provider: string, host: string): void => {
  const h = db.health.get(keyOf(provider, host))
  if (h === undefined || h.status === "throttled" || h.mode === "active") return
  if (h.status !== "unhealthy") h.since = db.now()
  h.status = "unhealthy"
  h.consecutive_failures += 1
  h.updated_at = db.now()
  db.raise("health", keyOf(provider, host))
}

/** sync_scheduler.learn_throttled */
const learnThrottled = (db: MemoryDatabase, h: HealthRow, sign: SignJson): void => {
  const now = db.now()
  const waitMs = clampWait(sign.wait_ms)
  const isNew = h.status !== "throttled" || h.throttled_until === null || h.throttled_until <= now
  const isAgain = isLater(h.last_throttled_at, now - 86_400_000)
  if (isNew) h.throttles = isAgain ? Math.min(h.throttles, 20) + 1 : 1
  const quietMs = Math.min(3_600_000 * 2 ** (h.throttles - 1), 86_400_000)
  const passiveUntil = Math.max(h.passive_until ?? 0, now + waitMs + quietMs)
  if (h.status !== "throttled") h.since = now
  Object.assign(h, {
    status: "throttled",
    mode: "passive",
    throttled_until: Math.max(h.throttled_until ?? 0, now + waitMs),
    passive_until: passiveUntil,
    last_throttled_at: now,
    start_limit: 1,
    limit_ceiling: sign.ceiling ?? 5,
    consecutive_failures: 0,
    updated_at: now
  })
  for (const other of db.health.values()) {
    if (other === h || other.provider !== h.provider || h.provider === "generic") continue
    other.mode = "passive"
    other.passive_until = Math.max(other.passive_until ?? 0, passiveUntil)
  }
  db.raise("health", keyOf(h.provider, h.host))
}

/** sync_scheduler.learn_unreachable, of a run */
const learnUnreachable = (db: MemoryDatabase, h: HealthRow): void => {
  const isDown = h.consecutive_failures > 0 || h.mode === "passive"
  if (isDown && h.status !== "unhealthy") h.since = db.now()
  if (isDown) h.status = "unhealthy"
  h.consecutive_failures += 1
  h.updated_at = db.now()
  if (isDown) db.raise("health", keyOf(h.provider, h.host))
}

/** sync_scheduler.learn_quota */
const learnQuota = (db: MemoryDatabase, h: HealthRow, sign: SignJson): void => {
  const now = db.now()
  if (!sign.low && h.updated_at >= now - 60_000) return
  if (sign.low) {
    h.start_limit = 1
    h.limited_until = laterOf(h.limited_until, now + clampWait(sign.wait_ms))
  }
  h.updated_at = now
}

/** sync_scheduler.learn_signs */
export const learnSigns = (
  db: MemoryDatabase,
  settlements: ReadonlyArray<{
    readonly run_id: string
    readonly lease_token: string | null
    readonly health?: SignJson
  }>
): void => {
  const told = settlements.flatMap(({ health, lease_token, run_id }) => {
    const run = db.runs.get(run_id)
    if (health === undefined || run === undefined || run.lease_token !== lease_token) return []
    const provider = run.api_provider ?? health.provider
    const host = run.api_host ?? health.host
    return lease_token === null || host === null ? [] : [{ run, provider, host, health }]
  })
  told.sort(
    (a, b) => byText(a.provider, b.provider) || byText(a.host, b.host) || byText(a.run.id, b.run.id)
  )
  for (const { health, host, provider } of told) {
    const h = rowOf(db, provider, host)
    if (health.sign === "throttled") learnThrottled(db, h, health)
    else if (health.sign === "unreachable") learnUnreachable(db, h)
    else learnQuota(db, h, health)
  }
}

/** What sync_scheduler.count_outcome tells of the API. */
export const learnOutcome = (db: MemoryDatabase, run: RunRow): void => {
  const { api_host: host, api_provider: provider } = run
  if (host === null || provider === null) return
  if (run.status === "completed") learnReached(db, provider, host, 1)
  else if (run.status === "failed") learnFailed(db, provider, host)
}

/** sync_scheduler.hold_back: the answers of the runs that may not start now. */
export const holdBack = (
  db: MemoryDatabase,
  engineId: string,
  starts: ReadonlyArray<StartJson>,
  adoptAfterSeconds: number
): ReadonlyArray<{ readonly run_id: string }> => {
  const now = db.now()
  const held: Array<{ readonly run_id: string }> = []
  const limited = [...db.health.values()]
    .filter((h) => h.start_limit !== null)
    .sort((a, b) => byText(a.provider, b.provider) || byText(a.host, b.host))
  for (const h of limited) {
    const isOf = (one: { api_provider?: string | null; api_host?: string | null }) =>
      one.api_provider === h.provider && one.api_host === h.host
    const until = isLater(h.throttled_until, now) ? h.throttled_until : null
    const ofApi = [...db.live.values()].filter(isOf)
    const reason = until === null ? "api_limit" : "api_throttled"
    const running = ofApi.filter(({ status }) => status === "running").length
    let room = until === null ? (h.start_limit ?? 0) - running : 0
    let waiting = ofApi.filter(
      (run) => run.status === "pending" && isLater(run.not_before, now) && run.delay_reason !== null
    ).length
    const asked = starts.filter(isOf).flatMap(({ lease_token, run_id }) => {
      const run = db.runs.get(run_id)
      const isFree =
        run !== undefined &&
        startRefusal(db, run, engineId, lease_token, adoptAfterSeconds) === null
      return isFree ? [run] : []
    })
    asked.sort((a, b) => a.scheduled_for - b.scheduled_for || byText(a.id, b.id))
    for (const run of asked) {
      if (room > 0) {
        room -= 1
        continue
      }
      waiting += 1
      const before = run.delay_reason
      const at = Math.max(until ?? now, now) + 3_000 * (before === null ? waiting : 1)
      db.move(run, "delay", {
        not_before: at,
        claimed_by: null,
        delay_reason: reason,
        api_provider: h.provider,
        api_host: h.host
      })
      if (before !== reason) recordMove(db, run, "delayed", "pending", engineId, reason)
      held.push({ run_id: run.id, ...{ reason, status: "pending", retry_at: iso(at) } })
    }
  }
  return held
}
