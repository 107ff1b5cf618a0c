import type { IntegrationRow, MemoryDatabase } from "./MemoryDatabase.ts"

/** The columns that an application may change. */
export type Edit = Partial<
  Pick<
    IntegrationRow,
    | "sync_schedule"
    | "timezone"
    | "enabled"
    | "next_run_at"
    | "paused_reason"
    | "breaker_until"
    | "consecutive_failures"
    | "max_attempts"
    | "on_unknown"
    | "fenced"
    | "catch_up"
  >
>

const least = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b)

/** Mirrors sync_scheduler.record_skipped_range. */
const recordSkippedRange = (
  db: MemoryDatabase,
  old: IntegrationRow,
  slot: number | null,
  reason: string,
  by: string
): boolean => {
  const now = db.now()
  const since = old.schedule_error === null ? old.schedule_since : null
  if (slot !== null && slot > now) return false
  if (slot === null) {
    if (old.sync_schedule === null || since === null) return false
    const unit = old.sync_schedule.trim().split(/\s+/).length >= 6 ? 1_000 : 60_000
    if (since >= Math.floor(now / unit) * unit) return false
  }
  db.ranges.push({
    integration_id: old.id,
    from: slot ?? since ?? now,
    to: now,
    count: slot === null ? 0 : 1,
    reason,
    recorded_by: by
  })
  return true
}

/** Applies the changes and the trigger sync_scheduler_before_change. Returns false if the row does not exist. */
export const editIntegration = (db: MemoryDatabase, id: string, changes: Edit): boolean => {
  const row = db.integrations.get(id)
  if (row === undefined) return false
  const now = db.now()
  const old = { ...row }
  Object.assign(row, changes)
  const isEdited = row.sync_schedule !== old.sync_schedule || row.timezone !== old.timezone
  const isEnabled = row.enabled && !old.enabled
  const isDisabled = old.enabled && !row.enabled
  if (isEdited || isEnabled || isDisabled) {
    const slot = isEnabled ? least(old.next_run_at, row.next_run_at) : old.next_run_at
    const reason = isEdited && old.enabled ? "schedule_changed" : "disabled"
    const by = isEdited ? "edit" : isEnabled ? "enable" : "disable"
    if (recordSkippedRange(db, old, slot, reason, by) || slot === null) {
      row.schedule_version = old.schedule_version + 1
      row.schedule_since = now
      const isSame = row.next_run_at === old.next_run_at
      if (isSame || (row.next_run_at !== null && row.next_run_at <= now)) row.next_run_at = null
    }
  }
  if (isEdited) {
    row.schedule_version = old.schedule_version + 1
    row.schedule_since = now
    row.next_run_at = null
    row.schedule_error = null
    db.resolve("schedule_error", id)
  }
  return true
}

export const deleteIntegration = (db: MemoryDatabase, id: string): boolean => {
  const row = db.integrations.get(id)
  if (row === undefined) return false
  db.integrations.delete(id)
  if (row.enabled) recordSkippedRange(db, row, row.next_run_at, "gone", "delete")
  return true
}
