import type { Row } from "./Ledger.ts"
import type { RunFixture } from "./RunFixture.ts"

/** By default, the call carries the last attempt's lease token. */
export type Action = (fixture: RunFixture, token: string) => Promise<Row>

export const tokenActions: Readonly<Record<string, Action>> = {
  begin: (fixture, token) => fixture.begin(token),
  heartbeat: (fixture, token) => fixture.heartbeat(token),
  "report completed": (fixture, token) => fixture.complete("completed", null, token),
  "report failed": (fixture, token) => fixture.complete("failed", { code: "NO_PERIOD" }, token),
  completed: (fixture, token) => fixture.settle("completed", {}, token),
  failed: (fixture, token) => fixture.settle("failed", { error_code: "NO_PERIOD" }, token),
  "not executed": (fixture, token) => fixture.settle("not_executed", { retry_in_ms: 5000 }, token),
  unknown: (fixture, token) => fixture.settle("unknown", { error_code: "RESET" }, token),
  accepted: (fixture, token) => fixture.settle("accepted", { lease_seconds: 1800 }, token)
}

const newToken = "00000000-0000-4000-8000-0000000000f1"

export const otherActions: Readonly<Record<string, Action>> = {
  start: (fixture) => fixture.startWith(newToken, "e1"),
  sweep: (fixture) => fixture.sweep(),
  retry: (fixture) => fixture.retry(),
  release: (fixture) => fixture.release()
}

export interface Outcome {
  readonly refused: boolean
  readonly reason: unknown
  readonly status: string
  /** Returns the new status, "-" if refused, or "=" if unchanged. */
  readonly cell: (wasReleased: boolean) => string
}

export const outcomeOf = async (fixture: RunFixture, action: Action): Promise<Outcome> => {
  const before = (await fixture.row()).status
  const answer = await action(fixture, fixture.token)
  const row = await fixture.row()
  const refused =
    answer.granted === false ||
    answer.accepted === false ||
    answer.done === false ||
    (answer.reason !== undefined && answer.reason !== null)
  const status = String(row.status)
  const cell = (wasReleased: boolean) => {
    if (refused) return "-"
    if (row.status !== before) return status
    return row.released_at !== null && !wasReleased ? "released" : "="
  }
  return { refused, reason: answer.reason, status, cell }
}
