import type { readActivity } from "../Domain/OperatorRpc.ts"
import type { Mark, MarkKind } from "./DayStrip.ts"

/** What every integration did on the axis of a page. */
export type Activity = typeof readActivity.result.Type

const KINDS: Readonly<Record<string, MarkKind>> = {
  completed: "done",
  failed: "failed",
  unknown: "unknown",
  running: "running",
  pending: "running",
  skipped: "missed"
}

/** How many marks a range of slots passed over is drawn with; it may hold thousands. */
const MOST = 48

/** Where the slots of a range lie: their number and the ends are known, so the others are spread between. */
const spread = (from: number, to: number, count: number): ReadonlyArray<number> => {
  const shown = Math.min(Math.max(count, 1), MOST)
  if (shown === 1) return [to]
  return Array.from({ length: shown }, (_, index) => from + ((to - from) * index) / (shown - 1))
}

/** Where older runs were not asked for: neither good nor bad. */
const unseen = (from: number, to: number): Mark => ({ kind: "unseen", from, to })

/** The marks of every integration, by its id. */
export const marksOf = (activity: Activity): ReadonlyMap<string, ReadonlyArray<Mark>> =>
  new Map(
    activity.integrations.map(({ integration_id, ranges, runs, truncated }) => [
      integration_id,
      [
        ...(truncated ? [unseen(activity.from, runs[0]?.[0] ?? activity.to)] : []),
        ...ranges.flatMap(([from, to, count]) =>
          spread(from, to, count).map((at): Mark => ({ kind: "missed", from: at, to: at }))
        ),
        ...runs.map(([slot, status, started, finished]): Mark => {
          const kind = KINDS[status] ?? "unknown"
          return { kind, from: slot, to: kind === "running" ? null : (finished ?? started ?? slot) }
        })
      ]
    ])
  )
