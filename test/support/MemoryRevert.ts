import { format } from "../../src/Domain/Instant.ts"
import { byText } from "./MemoryClaim.ts"
import { type MemoryDatabase, Raised } from "./MemoryDatabase.ts"
import { recordMove } from "./MemoryRun.ts"

/** Mirrors revert_sync_starts. */
export const giveBack = (
  db: MemoryDatabase,
  engineId: string,
  starts: ReadonlyArray<{ readonly run_id: string; readonly lease_token: string | null }>
) => {
  if (starts.length > 100) throw new Raised("p_starts must be a JSON array of at most 100 starts")
  const returned: Array<string> = []
  for (const one of [...starts].sort((a, b) => byText(a.run_id, b.run_id))) {
    const run = db.runs.get(one.run_id)
    if (run === undefined || one.lease_token === null || run.lease_token !== one.lease_token) {
      continue
    }
    if (run.status === "running" && run.began_at === null) {
      const isFirst = run.attempt <= 1
      db.move(run, "return", {
        status: "pending",
        attempt: Math.max(run.attempt - 1, 0),
        claimed_at: db.now(),
        lease_until: null,
        started_at: isFirst ? null : run.started_at,
        drift_ms: isFirst ? null : run.drift_ms,
        attempt_started_at: null,
        heartbeat_at: null
      })
      recordMove(db, run, "returned", "running", engineId, "not_sent")
      returned.push(run.id)
    } else if (run.status === "pending" && run.lease_until === null) returned.push(run.id)
  }
  return { now: format(db.now()), returned }
}
