import type { readActivity } from "../../Database/OperatorRpc.ts"
import type { Mark, MarkKind } from "./DayStrip.ts"

export type Activity = typeof readActivity.result.Type

const KINDS: Readonly<Record<string, MarkKind>> = {
  completed: "done",
  failed: "failed",
  unknown: "unknown",
  running: "running",
  pending: "running",
  skipped: "missed"
}

/** The maximum number of marks for a skipped range. */
const MOST = 48

/** Returns approximate slots for a skipped range, because only its first slot, its last slot and the count are known. */
const spread = (from: number, to: number, count: number): ReadonlyArray<number> => {
  const shown = Math.min(Math.max(count, 1), MOST)
  if (shown === 1) return [to]
  return Array.from({ length: shown }, (_, index) => from + ((to - from) * index) / (shown - 1))
}

const unseen = (from: number, to: number): Mark => ({ kind: "unseen", from, to })

/** Returns the marks by integration id. */
export const timelineMarks = (activity: Activity): ReadonlyMap<string, ReadonlyArray<Mark>> =>
  new Map(
    activity.integrations.map(({ integration_id, ranges, runs, truncated }) => [
      integration_id,
      [
        ...(truncated ? [unseen(activity.from, runs[0]?.[0] ?? activity.to)] : []),
        ...ranges.flatMap(([from, to, count]) =>
          spread(from, to, count).map((at): Mark => ({ kind: "missed", from: at, to: at }))
        ),
        ...runs.map(([slot, status, started, finished]): Mark => {
          const isRetried = status === "pending" && started !== null
          const kind = isRetried ? "retrying" : (KINDS[status] ?? "unknown")
          const isOpen = kind === "running" || kind === "retrying"
          return { kind, from: slot, to: isOpen ? null : (finished ?? started ?? slot) }
        })
      ]
    ])
  )
