import type { Row } from "./Ledger.ts"
import type { Scene } from "./Scene.ts"

/** One call about a run. `token`: the lease token it shows; the last attempt's, unless a test says otherwise. */
export type Action = (scene: Scene, token: string) => Promise<Row>

/** What only the holder of the last attempt's token may say. */
export const tokenActions: Readonly<Record<string, Action>> = {
  begin: (scene, token) => scene.begin(token),
  heartbeat: (scene, token) => scene.heartbeat(token),
  "report completed": (scene, token) => scene.complete("completed", null, token),
  "report failed": (scene, token) => scene.complete("failed", { code: "NO_PERIOD" }, token),
  completed: (scene, token) => scene.settle("completed", {}, token),
  failed: (scene, token) => scene.settle("failed", { error_code: "NO_PERIOD" }, token),
  "not executed": (scene, token) => scene.settle("not_executed", { retry_in_ms: 5000 }, token),
  unknown: (scene, token) => scene.settle("unknown", { error_code: "RESET" }, token),
  accepted: (scene, token) => scene.settle("accepted", { lease_seconds: 1800 }, token)
}

const newToken = "00000000-0000-4000-8000-0000000000f1"

/** What needs no token. */
export const otherActions: Readonly<Record<string, Action>> = {
  start: (scene) => scene.startWith(newToken, "e1"),
  sweep: (scene) => scene.sweep(),
  retry: (scene) => scene.retry(),
  release: (scene) => scene.release()
}

/** What came of an action. */
export interface Outcome {
  readonly refused: boolean
  readonly reason: unknown
  readonly status: string
  /** As in the table of transitions: the status reached, "-" when refused, "=" when it stayed what it was. */
  readonly cell: (wasReleased: boolean) => string
}

/** Does it, and tells what came of it. */
export const outcomeOf = async (scene: Scene, action: Action): Promise<Outcome> => {
  const before = (await scene.row()).status
  const answer = await action(scene, scene.token)
  const row = await scene.row()
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
