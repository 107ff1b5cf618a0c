import type { Alert, AlertBatch } from "../../src/Domain/Alert.ts"

export const slot = Date.UTC(2026, 10, 24, 2, 0, 0)

/** A sync started 7 minutes late because no engine was ticking. */
export const alertOf = (more: Partial<Alert>): Alert => ({
  incident_id: 42,
  transition: "opened",
  kind: "drift",
  subject: "1a000000-0000-4000-8000-000000000001",
  opened_at: slot + 432_000,
  resolved_at: null,
  announced: more.transition === "resolved",
  occurrences: 1,
  detail: { drift_ms: 432_000 },
  integration: {
    id: "1a000000-0000-4000-8000-000000000001",
    org_id: "0a000000-0000-4000-8000-000000000001",
    type: "xledger",
    schedule: "0 2 * * 1-5",
    timezone: "Europe/Oslo"
  },
  run: {
    id: "2a000000-0000-4000-8000-000000000001",
    scheduled_for: slot,
    started_at: slot + 432_000,
    first_tick_at: slot + 430_000,
    status: "running",
    drift_ms: 432_000,
    error_code: null,
    error_message: null
  },
  ...more
})

export const batchOf = (total: number): AlertBatch => ({
  now: slot + 440_000,
  total,
  opened: total,
  resolved: 0,
  kinds: total === 0 ? {} : { drift: total },
  incident_ids: Array.from({ length: total }, (_, n) => n + 1),
  alerts: Array.from({ length: Math.min(total, 50) }, (_, n) => alertOf({ incident_id: n + 1 }))
})
