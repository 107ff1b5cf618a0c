import { Clock, Effect } from "effect"
import { type Backfill, nextStep } from "../Domain/Backfill.ts"
import type { Slot } from "../Domain/Integration.ts"
import { Ledger } from "../Services/Ledger.ts"
import type { Claiming } from "./Claiming.ts"
import type { TickContext } from "./TickContext.ts"

/**
 * How long a tick goes on from one slot of a request to the next, in milliseconds. What is left waits for the next tick:
 * the schedules come first there.
 */
const BACKFILL_FOR_MS = 60_000

/**
 * Works off requests for slots of the past, oldest slot first, one at a time for each integration, in turn with each
 * other. A request whose integration is due, disabled, or has a live run waits. *Guarantees*: at most one claimed slot for
 * each integration at a time; the cursor of a request moves in the transaction of its claim, so no engine's death loses or
 * doubles a slot.
 */
export const claimBackfills = (claiming: Claiming, tick: TickContext) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const until = (yield* Clock.currentTimeMillis) + BACKFILL_FOR_MS
    /** Where a step was tried: a request that then stands where it stood belongs to somebody else for now. */
    const tried = new Set<string>()
    let scope = tick.scope
    while (!(yield* claiming.isOver)) {
      const page = yield* ledger
        .readBackfills(scope)
        .pipe(Effect.catchAll((error) => Effect.as(claiming.fail(error), null)))
      if (page === null) return
      for (const { detail, id } of page.unreadable) {
        tick.tally.error({
          code: "ROW_UNREADABLE",
          message: `The backfill of integration ${id} cannot be read: ${detail}`,
          hint: "Cancel it with: sync-scheduler backfill --cancel <id>. The others are not affected."
        })
      }
      const fresh = page.backfills.filter((one) => !tried.has(`${one.backfill_id} ${one.cursor}`))
      for (const { backfill_id, cursor } of fresh) tried.add(`${backfill_id} ${cursor}`)
      const steps = fresh.flatMap((one) => plan(one, tick))
      yield* claiming.claimSlots(steps, page.now)
      if ((yield* Clock.currentTimeMillis) >= until) return
      // Where many slots had a row already, there is no run to wait for.
      const passing = steps.filter((step) => step.scheduled_for === null && !step.backfill?.done)
      if (passing.length === 0 && !claiming.hasBacklog()) return
      const ids =
        passing.length > 0 ? passing.map((step) => step.integration_id) : yield* claiming.takeReady
      scope = { ...tick.scope, integrationIds: ids }
    }
  }).pipe(Effect.withSpan("Engine.claimBackfills"))

/** One request's defect must not sink the others: it becomes an error of the tick. */
const plan = (backfill: Backfill, tick: TickContext): ReadonlyArray<Slot> => {
  try {
    return [nextStep(backfill)]
  } catch (defect) {
    tick.tally.error({
      code: "ENGINE_DEFECT",
      message: `The slots of backfill ${backfill.backfill_id} could not be computed (${defect})`,
      hint: "Cancel it with: sync-scheduler backfill --cancel <id>, and report this as a bug."
    })
    return []
  }
}
