import { format } from "../../src/Domain/Instant.ts"
import { type IntegrationRow, type MemoryDatabase, Raised, type RunRow } from "./MemoryDatabase.ts"

// Mirrors supabase/migrations/*_claim.sql, function by function.

export interface ScopeJson {
  readonly org_id?: string | undefined
  readonly integration_ids?: ReadonlyArray<string> | undefined
  readonly exclude_org_ids?: ReadonlyArray<string> | undefined
}

export interface SlotJson {
  readonly integration_id: string
  readonly org_id: string
  readonly schedule_version: number
  readonly expected_next_run_at: string | null
  readonly scheduled_for: string | null
  readonly trigger: string
  readonly next_run_at: string | null
  readonly skipped_range: { from: string; to: string; count: number; reason: string } | null
  readonly schedule_error: string | null
}

export const iso = (ms: number | null): string | null => (ms === null ? null : format(ms))
const parse = (text: string | null | undefined): number | null =>
  text === null || text === undefined ? null : Date.parse(text)

export const runJson = (run: RunRow, integration: IntegrationRow | undefined) => ({
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
  warm_up: integration?.warm_up ?? false
})

const dueJson = (i: IntegrationRow) => ({
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
})

/** Mirrors is_due, restricted to a scope. */
const isDue = (i: IntegrationRow, now: number, scope: ScopeJson): boolean =>
  i.enabled &&
  i.schedule_error === null &&
  i.sync_schedule !== null &&
  (i.next_run_at === null || i.next_run_at <= now) &&
  (i.breaker_until === null || i.breaker_until <= now) &&
  (scope.org_id === undefined || i.org_id === scope.org_id) &&
  (scope.integration_ids === undefined || scope.integration_ids.includes(i.id)) &&
  scope.exclude_org_ids?.includes(i.org_id) !== true

export const readDue = (
  db: MemoryDatabase,
  limit: number,
  cursor: string | null,
  scope: ScopeJson
) => {
  const now = db.now()
  const most = Math.min(Math.max(limit, 1), db.pageLimit)
  const [afterAt, afterId] = cursor === null ? [null, null] : split(cursor)
  const due = [...db.integrations.values()]
    .filter((i) => isDue(i, now, scope))
    .sort((a, b) => order(a.next_run_at, a.id, b.next_run_at, b.id))
    .filter((i) => afterId === null || order(i.next_run_at, i.id, afterAt, afterId) > 0)
    .slice(0, most)
  const last = due.length >= most ? due.at(-1) : undefined
  return {
    now: format(now),
    integrations: due.map(dueJson),
    rejected: [],
    cursor: last === undefined ? null : `${iso(last.next_run_at) ?? ""}|${last.id}`
  }
}

/** How long fetched rows stay reserved, in ms. */
export const RESERVED_MS = 15_000

export interface FetchOptionsJson extends ScopeJson {
  readonly adopt_after_seconds: number
  readonly drift_alert_seconds: number
}

export const fetchWork = (
  db: MemoryDatabase,
  engineId: string,
  fetchToken: string,
  limit: number,
  options: FetchOptionsJson
) => {
  const now = db.now()
  const most = Math.min(Math.max(limit, 1), db.pageLimit)
  const mostPending = Math.ceil(most / 2)
  const isInScope = (run: RunRow): boolean => {
    const i = db.integrations.get(run.integration_id)
    return (
      i?.enabled === true &&
      (options.org_id === undefined || i.org_id === options.org_id) &&
      (options.integration_ids === undefined || options.integration_ids.includes(i.id)) &&
      options.exclude_org_ids?.includes(i.org_id) !== true
    )
  }
  const adopted = [...db.live.values()]
    .filter(
      (run) =>
        run.status === "pending" &&
        (run.not_before === null || run.not_before <= now) &&
        (isFree(run, now, options.adopt_after_seconds) || run.claim_token === fetchToken) &&
        isInScope(run)
    )
    .sort((a, b) => a.created_at - b.created_at || byText(a.id, b.id))
    .slice(0, mostPending)
  const pending = adopted.map((run) => {
    const { claim_token, claimed_by } = run
    db.move(run, "fetch", { claimed_by: engineId, claimed_at: now, claim_token: fetchToken })
    if (claimed_by !== null && claimed_by !== engineId) db.raise("rescued", claimed_by)
    const before = claim_token === fetchToken ? null : claimed_by
    return { ...runJson(run, db.integrations.get(run.integration_id)), claimed_by: before }
  })
  const isFresh = (i: IntegrationRow) =>
    i.next_run_at !== null && i.next_run_at > now - options.drift_alert_seconds * 1000
  const rank = (i: IntegrationRow) => (isFresh(i) ? 0 : i.next_run_at === null ? 1 : 2)
  const due = [...db.integrations.values()]
    .filter(
      (i) =>
        isDue(i, now, options) &&
        !db.isLocked(i.id) &&
        (i.reserved_until === null ||
          i.reserved_until <= now ||
          i.fetch_token === fetchToken ||
          (options.integration_ids !== undefined && i.reserved_by === engineId))
    )
    .sort((a, b) => rank(a) - rank(b) || order(a.next_run_at, a.id, b.next_run_at, b.id))
    .slice(0, most - pending.length)
  const integrations = due.map((i) => {
    i.reserved_by = engineId
    i.reserved_until = now + RESERVED_MS
    i.fetch_token = fetchToken
    return dueJson(i)
  })
  return {
    now: format(now),
    pending,
    integrations,
    rejected: [],
    more: pending.length === mostPending || due.length === most - pending.length
  }
}

/** Returns whether any engine can start the pending run: the run is unclaimed, or its claim has expired. */
export const isFree = (run: RunRow, now: number, adoptAfterSeconds: number): boolean =>
  run.claimed_by === null || (run.claimed_at ?? run.created_at) + adoptAfterSeconds * 1000 <= now

const order = (aAt: number | null, aId: string, bAt: number | null, bId: string): number =>
  aAt === bAt ? byText(aId, bId) : aAt === null ? -1 : bAt === null ? 1 : aAt - bAt

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const split = (cursor: string): [number | null, string] => {
  const [at, id] = cursor.split("|")
  return [at === undefined || at === "" ? null : Date.parse(at), id ?? ""]
}

/** Returns null if the slot can be claimed, or if its integration has moved to another slot. */
const judgeSlot = (db: MemoryDatabase, claimToken: string, slot: SlotJson): string | null => {
  const now = db.now()
  const i = db.integrations.get(slot.integration_id)
  if (i === undefined) return "gone"
  if (db.isLocked(i.id)) return "locked"
  const target = parse(slot.scheduled_for)
  const next = parse(slot.next_run_at)
  const expected = parse(slot.expected_next_run_at)
  const known = target === null ? undefined : db.runOfSlot(i.id, target)
  if (known !== undefined && known.claim_token === claimToken) return "claimed"
  if (!i.enabled) return "disabled"
  if (i.schedule_version !== slot.schedule_version) return "schedule_changed"
  if (i.next_run_at !== expected || i.schedule_error !== null) return "lost_race"
  if (i.breaker_until !== null && i.breaker_until > now) return "breaker_open"
  if (slot.schedule_error !== null) return "schedule_error"
  if (target !== null && target > now) return "not_due"
  if (target === null && next === null) {
    throw new Raised("a slot has neither scheduled_for nor next_run_at")
  }
  if (target !== null && expected !== null && target < expected) {
    throw new Raised("scheduled_for must not be earlier than the due slot")
  }
  const follows = target ?? expected
  if (next !== null && follows !== null && next <= follows) {
    throw new Raised("next_run_at must be later than the claimed slot")
  }
  const live = target === null ? undefined : db.liveRun(i.id)
  if (live !== undefined && live.scheduled_for !== target) return "already_running"
  return null
}

interface Skipped {
  readonly integration_id: string
  readonly scheduled_for: string | null
  readonly reason: string
}

const claimSlots = (
  db: MemoryDatabase,
  engineId: string,
  claimToken: string,
  slots: ReadonlyArray<SlotJson>
) => {
  const sorted = [...slots].sort(
    (a, b) =>
      byText(a.integration_id, b.integration_id) ||
      byText(a.scheduled_for ?? "9", b.scheduled_for ?? "9")
  )
  let last = ""
  const judged = sorted.map((slot) => {
    const reason = slot.integration_id === last ? "lost_race" : judgeSlot(db, claimToken, slot)
    last = slot.integration_id
    return { slot, reason }
  })
  const claimed: Array<RunRow> = []
  const skipped: Array<Skipped> = []
  const skip = (slot: SlotJson, reason: string) =>
    skipped.push({
      integration_id: slot.integration_id,
      scheduled_for: iso(parse(slot.scheduled_for)),
      reason
    })
  for (const { slot, reason } of judged) {
    const known = db.runOfSlot(slot.integration_id, parse(slot.scheduled_for) ?? 0)
    if (reason === "claimed" && known !== undefined) claimed.push(known)
    else if (reason === "schedule_error") noteScheduleError(db, slot)
    if (reason !== null && reason !== "claimed") skip(slot, reason)
  }
  let advanced = 0
  for (const { slot, reason } of judged) {
    if (reason !== null) continue
    const i = db.integrations.get(slot.integration_id)
    if (i === undefined) continue
    const target = parse(slot.scheduled_for)
    let run: RunRow | null = null
    if (target === null) advanced += 1
    else {
      run = db.insertRun({
        integration_id: i.id,
        scheduled_for: target,
        trigger: slot.trigger,
        claimed_by: engineId,
        claim_token: claimToken
      })
      if (run === null) {
        const isRecorded = db.runOfSlot(i.id, target) !== undefined
        skip(slot, isRecorded ? "already_recorded" : "already_running")
        if (!isRecorded) continue
      } else {
        claimed.push(run)
        db.record({
          run_id: run.id,
          integration_id: i.id,
          kind: "claimed",
          to: "pending",
          attempt: 0,
          actor: engineId
        })
      }
    }
    i.next_run_at = parse(slot.next_run_at)
    const isDueAgain = i.next_run_at !== null && i.next_run_at <= db.now()
    i.fetch_token = null
    i.reserved_by = isDueAgain ? engineId : null
    i.reserved_until = isDueAgain ? db.now() + RESERVED_MS : null
    if (slot.skipped_range !== null) {
      db.ranges.push({
        integration_id: i.id,
        from: Date.parse(slot.skipped_range.from),
        to: Date.parse(slot.skipped_range.to),
        count: slot.skipped_range.count,
        reason: slot.skipped_range.reason,
        recorded_by: engineId
      })
      db.raise("missed", i.id)
    } else if (slot.trigger === "schedule" && run !== null) db.resolve("missed", i.id)
  }
  claimed.sort((a, b) => a.scheduled_for - b.scheduled_for || byText(a.id, b.id))
  return {
    claimed: claimed.map((run) => runJson(run, db.integrations.get(run.integration_id))),
    skipped,
    advanced
  }
}

const noteScheduleError = (db: MemoryDatabase, slot: SlotJson): void => {
  const i = db.integrations.get(slot.integration_id)
  if (i !== undefined) i.schedule_error = slot.schedule_error
  db.raise("schedule_error", slot.integration_id)
}

export const claim = (
  db: MemoryDatabase,
  engineId: string,
  claimToken: string,
  slots: ReadonlyArray<SlotJson>
) => {
  if (slots.length > 100) throw new Raised("p_slots must be a JSON array of at most 100 slots")
  const now = format(db.now())
  try {
    return { now, ...claimSlots(db, engineId, claimToken, slots) }
  } catch (error) {
    if (!(error instanceof Raised)) throw error
    const all = [...slots]
      .sort((a, b) => byText(a.integration_id, b.integration_id))
      .map((slot) => claimAlone(db, engineId, claimToken, slot))
    return {
      now,
      claimed: all.flatMap((one) => one.claimed),
      skipped: all.flatMap((one) => one.skipped),
      advanced: all.reduce((sum, one) => sum + one.advanced, 0)
    }
  }
}

const claimAlone = (
  db: MemoryDatabase,
  engineId: string,
  claimToken: string,
  slot: SlotJson
): ReturnType<typeof claimSlots> => {
  try {
    return claimSlots(db, engineId, claimToken, [slot])
  } catch (error) {
    if (!(error instanceof Raised)) throw error
    const { integration_id, scheduled_for } = slot
    return {
      claimed: [],
      skipped: [{ integration_id, scheduled_for, reason: "rejected" }],
      advanced: 0
    }
  }
}

export const release = (db: MemoryDatabase, engineId: string, runIds: ReadonlyArray<string>) => {
  let released = 0
  for (const id of new Set(runIds.slice(0, 1000))) {
    const run = db.runs.get(id)
    if (run?.status === "pending" && run.claimed_by === engineId) {
      db.move(run, "release", { claimed_by: null, claimed_at: null })
      released += 1
    }
  }
  return { released }
}
