import { byText, iso } from "./MemoryClaim.ts"
import type { HealthRow, HoldRow, MemoryDatabase, RunRow } from "./MemoryDatabase.ts"
import { recordMove, type StartJson, startRefusal } from "./MemoryRun.ts"

// Mirrors supabase/migrations/*_health.sql, function by function, except for probes and detail texts.

/** The engine's report on a vendor's response. */
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
    throttles: 0,
    told_by: []
  }
  db.health.set(keyOf(provider, host), row)
  return row
}

const hostOf = (apiHost: string): string => apiHost.split("/")[0] ?? ""
const isOwn = (apiHost: string): boolean => apiHost.includes("/")
const isLater = (at: number | null, now: number): boolean => at !== null && at > now
const laterOf = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b)
/** Mirrors sync_scheduler.vendor_wait. */
const waitOf = (sign: SignJson): number =>
  Math.min(Math.max(sign.wait_ms ?? 60_000, 1_000), 3_600_000)
const holdKey = (provider: string, host: string, orgId: string): string =>
  `${keyOf(provider, host)}/${orgId}`

const easeHolds = (
  db: MemoryDatabase,
  provider: string,
  host: string,
  orgs: ReadonlyArray<string>
): void => {
  const now = db.now()
  for (const orgId of new Set(orgs)) {
    const key = holdKey(provider, hostOf(host), orgId)
    const k = db.holds.get(key)
    if (k === undefined || isLater(k.throttled_until, now)) continue
    const wasThrottled = k.throttled_until !== null
    const limit = k.start_limit + orgs.filter((one) => one === orgId).length
    const isLimited = isLater(k.limited_until, now)
    if (k.expires_at <= now || (limit >= k.limit_ceiling && !isLimited)) db.holds.delete(key)
    else {
      k.throttled_until = null
      if (!isLimited) Object.assign(k, { start_limit: limit, limited_until: null })
    }
    if (wasThrottled) db.resolve("health", key)
  }
}

export const learnReached = (
  db: MemoryDatabase,
  provider: string,
  host: string,
  orgs: ReadonlyArray<string>
): void => {
  const now = db.now()
  easeHolds(db, provider, host, orgs)
  const isNew = !db.health.has(keyOf(provider, host))
  const h = rowOf(db, provider, host)
  if (isNew) {
    Object.assign(h, { status: "healthy", last_sync_at: now })
    return
  }
  const isNoNews =
    h.status === "healthy" && h.consecutive_failures === 0 && isLater(h.last_sync_at, now - 60_000)
  if (isNoNews || isLater(h.throttled_until, now)) return
  if (h.status !== "healthy") {
    h.since = now
    db.resolve("health", keyOf(provider, host))
  }
  Object.assign(h, { status: "healthy", last_sync_at: now, consecutive_failures: 0 })
  Object.assign(h, { throttled_until: null, told_by: [], updated_at: now })
}

const toldBy = ({ told_by }: HealthRow, orgId: string): ReadonlyArray<string> =>
  told_by.includes(orgId) || told_by.length >= 3 ? told_by : [...told_by, orgId]

const learnFailed = (db: MemoryDatabase, run: RunRow, provider: string, host: string): void => {
  const h = db.health.get(keyOf(provider, host))
  if (h === undefined || h.status === "throttled" || h.mode === "active") return
  h.told_by = toldBy(h, run.org_id)
  const isDown = isOwn(h.host) || h.told_by.length >= 3
  if (isDown && h.status !== "unhealthy") h.since = db.now()
  if (isDown) h.status = "unhealthy"
  h.consecutive_failures += 1
  h.updated_at = db.now()
  if (isDown) db.raise("health", keyOf(provider, host))
}

const learnThrottled = (db: MemoryDatabase, h: HealthRow, sign: SignJson): void => {
  const now = db.now()
  const waitMs = waitOf(sign)
  const isNew = h.status !== "throttled" || h.throttled_until === null || h.throttled_until <= now
  const isAgain = isLater(h.last_throttled_at, now - 86_400_000)
  if (isNew) h.throttles = isAgain ? Math.min(h.throttles, 20) + 1 : 1
  const quietMs = Math.min(3_600_000 * 2 ** (h.throttles - 1), 86_400_000)
  const passiveUntil = Math.max(h.passive_until ?? 0, now + waitMs + quietMs)
  if (h.status !== "throttled") h.since = now
  Object.assign(h, {
    status: "throttled",
    mode: "passive",
    throttled_until: Math.max(h.throttled_until ?? 0, now + Math.min(waitMs, 30_000)),
    passive_until: passiveUntil,
    last_throttled_at: now,
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

const holdOrganisation = (
  db: MemoryDatabase,
  provider: string,
  host: string,
  sign: SignJson,
  run: RunRow
): void => {
  const now = db.now()
  const until = now + waitOf(sign)
  const key = holdKey(provider, host, run.org_id)
  const known = db.holds.get(key)
  db.holds.set(key, {
    ...(known ?? { provider, host, org_id: run.org_id, limited_until: null }),
    throttled_until: laterOf(known?.throttled_until ?? null, until),
    start_limit: 1,
    limit_ceiling: sign.ceiling ?? 5,
    told_at: now,
    expires_at: Math.max(known?.expires_at ?? 0, until + 3_600_000)
  })
  const telling = [...db.holds.values()].filter(
    (k) =>
      k.provider === provider &&
      k.host === host &&
      isLater(k.throttled_until, now) &&
      k.told_at > now - 60_000
  )
  if (telling.length >= 3) learnThrottled(db, rowOf(db, provider, host), sign)
  else db.raise("health", key)
}

const learnUnreachable = (db: MemoryDatabase, h: HealthRow, run: RunRow): void => {
  h.told_by = toldBy(h, run.org_id)
  const isDown = isOwn(h.host)
    ? h.consecutive_failures > 0 || h.mode === "passive"
    : h.told_by.length >= 3
  if (isDown && h.status !== "unhealthy") h.since = db.now()
  if (isDown) h.status = "unhealthy"
  h.consecutive_failures += 1
  h.updated_at = db.now()
  if (isDown) db.raise("health", keyOf(h.provider, h.host))
}

const learnQuota = (
  db: MemoryDatabase,
  provider: string,
  host: string,
  sign: SignJson,
  run: RunRow
): void => {
  if (!sign.low) return
  const now = db.now()
  const until = now + waitOf(sign)
  const key = holdKey(provider, host, run.org_id)
  const known = db.holds.get(key)
  db.holds.set(key, {
    ...(known ?? {
      ...{ provider, host, org_id: run.org_id, throttled_until: null, told_at: now },
      limit_ceiling: sign.ceiling ?? 5
    }),
    start_limit: 1,
    limited_until: laterOf(known?.limited_until ?? null, until),
    expires_at: Math.max(known?.expires_at ?? 0, until + 3_600_000)
  })
}

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
    (a, b) =>
      byText(a.provider, b.provider) ||
      byText(a.host, b.host) ||
      byText(a.run.org_id, b.run.org_id) ||
      byText(a.run.id, b.run.id)
  )
  for (const { health, host, provider, run } of told) {
    if (health.sign === "throttled") holdOrganisation(db, provider, hostOf(host), health, run)
    else if (health.sign === "unreachable") learnUnreachable(db, rowOf(db, provider, host), run)
    else learnQuota(db, provider, hostOf(host), health, run)
  }
}

/** Mirrors how count_outcome updates the API's health. */
export const learnOutcome = (db: MemoryDatabase, run: RunRow): void => {
  const { api_host: host, api_provider: provider } = run
  if (host === null || provider === null) return
  if (run.status === "completed") learnReached(db, provider, host, [run.org_id])
  else if (run.status === "failed") learnFailed(db, run, provider, host)
}

/** Mirrors the deletion of expired holds in prune_sync_history. */
export const pruneHolds = (db: MemoryDatabase): void => {
  for (const [key, { expires_at }] of db.holds) {
    if (expires_at > db.now()) continue
    db.holds.delete(key)
    db.resolve("health", key)
  }
}

interface Held {
  readonly run_id: string
}

/** Returns a refusal for each run that must not start now. */
export const holdBack = (
  db: MemoryDatabase,
  engineId: string,
  starts: ReadonlyArray<StartJson>,
  adoptAfterSeconds: number
): ReadonlyArray<Held> => {
  const now = db.now()
  const held: Array<Held> = []
  const byName = (a: HoldRow | HealthRow, b: HoldRow | HealthRow) =>
    byText(a.provider, b.provider) || byText(a.host, b.host)
  /** Returns the requested starts for this API that have not been refused for another reason. */
  const asking = (provider: string, host: string, orgId: string | null) =>
    starts
      .flatMap(({ api_host, api_provider, lease_token, run_id }) => {
        const run = db.runs.get(run_id)
        const isIt =
          run !== undefined &&
          api_provider === provider &&
          api_host != null &&
          hostOf(api_host) === host &&
          (orgId === null || run.org_id === orgId) &&
          !held.some((one) => one.run_id === run_id) &&
          startRefusal(db, run, engineId, lease_token, adoptAfterSeconds) === null
        return isIt ? [{ run, api_provider, api_host }] : []
      })
      .sort((a, b) => a.run.scheduled_for - b.run.scheduled_for || byText(a.run.id, b.run.id))
  const liveOf = (provider: string, host: string, orgId: string | null) =>
    [...db.live.values()].filter(
      (run) =>
        run.api_provider === provider &&
        run.api_host !== null &&
        hostOf(run.api_host) === host &&
        (orgId === null || run.org_id === orgId)
    )
  const isWaiting = (run: RunRow) =>
    run.status === "pending" && isLater(run.not_before, now) && run.delay_reason !== null
  const delay = (
    { run, ...api }: ReturnType<typeof asking>[number],
    reason: string,
    at: number
  ): void => {
    const before = run.delay_reason
    db.move(run, "delay", { not_before: at, claimed_by: null, delay_reason: reason, ...api })
    if (before !== reason) recordMove(db, run, "delayed", "pending", engineId, reason)
    held.push({ run_id: run.id, ...{ reason, status: "pending", retry_at: iso(at) } })
  }

  const holds = [...db.holds.values()].filter(({ expires_at }) => expires_at > now)
  for (const k of holds.sort((a, b) => byName(a, b) || byText(a.org_id, b.org_id))) {
    const live = liveOf(k.provider, k.host, k.org_id)
    const until = isLater(k.throttled_until, now) ? k.throttled_until : null
    const running = live.filter(({ status }) => status === "running").length
    let room = until === null ? k.start_limit - running : 0
    let waiting = live.filter(isWaiting).length
    for (const one of asking(k.provider, k.host, k.org_id)) {
      if (room > 0) {
        room -= 1
        continue
      }
      waiting += 1
      const steps = one.run.delay_reason === null ? waiting : 1
      delay(one, until === null ? "api_limit" : "api_throttled", (until ?? now) + 3_000 * steps)
    }
  }
  for (const h of [...db.health.values()].sort(byName)) {
    const until = h.throttled_until
    if (until === null || until <= now) continue
    let waiting = liveOf(h.provider, h.host, null).filter(isWaiting).length
    for (const one of asking(h.provider, h.host, null)) {
      waiting += 1
      const steps = one.run.delay_reason === null ? waiting : 1
      delay(one, "api_throttled", until + Math.min(3_000 * steps, 30_000))
    }
  }
  return held
}
