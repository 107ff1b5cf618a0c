import { Effect, HashSet } from "effect"
import { type Backfill, nextStep } from "../Domain/BackfillPlan.ts"
import { traced } from "../Domain/Tracing.ts"
import { Ledger } from "../Services/Ledger.ts"
import { claimSlots, decideEach, reported } from "./Claims.ts"
import { TickFrame } from "./TickFrame.ts"
import { TickReport } from "./TickReport.ts"

const cursorKey = ({ backfill_id, cursor }: Backfill): string => `${backfill_id} ${cursor}`

/**
 * Claims the oldest slot of each backfill, or moves the cursor past slots that already have a row. A backfill waits while its
 * integration is due or disabled, or has a live run. Ignores cursors in `seen`, because this tick has already tried to advance
 * them. Claims at most `limit` slots; the remaining backfills are part of `unfinished`.
 *
 * *Guarantees*: claims at most one slot per integration. One transaction claims the slot and moves the cursor, so no slot is lost
 * or duplicated if the engine dies.
 */
export const claimBackfills = (
  integrationIds: "all" | ReadonlyArray<string>,
  seen: HashSet.HashSet<string>,
  limit: number
) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const report = yield* TickReport
    const { scope } = yield* TickFrame
    const page = yield* reported(
      ledger.readBackfills(integrationIds === "all" ? scope : { ...scope, integrationIds })
    )
    for (const { detail, id } of page.unreadable) {
      yield* report.error({
        code: "ROW_UNREADABLE",
        message: `The backfill of integration ${id} cannot be read: ${detail}`,
        hint: "Other backfills are not affected. To cancel this backfill: sync-scheduler backfill --cancel <id>"
      })
    }
    const unseen = page.backfills.filter((one) => !HashSet.has(seen, cursorKey(one)))
    const fresh = unseen.slice(0, limit)
    const steps = yield* decideEach(fresh, nextStep, planDefect)
    const result = yield* claimSlots(steps, page.now, 0)
    return {
      result: { ...result, seen: fresh.map(cursorKey) },
      unfinished: [
        ...steps.flatMap(({ backfill, integration_id, scheduled_for }) =>
          scheduled_for === null && backfill?.done === false ? [integration_id] : []
        ),
        ...unseen.slice(limit).map(({ integration_id }) => integration_id)
      ]
    }
  }).pipe(traced("Engine.claimBackfills"))

const planDefect = ({ backfill_id }: Backfill, defect: unknown) => ({
  message: `The slots of backfill ${backfill_id} could not be computed (${defect})`,
  hint: "Report this as a bug. To cancel the backfill: sync-scheduler backfill --cancel <id>"
})
