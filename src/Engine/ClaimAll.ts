import { Effect } from "effect"
import type { DuePage, OpenedTick } from "../Services/Ledger.ts"
import { claimBackfills } from "./Backfilling.ts"
import { makeClaiming } from "./Claiming.ts"
import type { TickContext } from "./TickContext.ts"

/**
 * Everything there is to start: what waits, then every due page, then further slots of the same integrations, and when
 * nothing of the schedules is left, slots of the past that were asked for.
 */
export const claimAll = (opened: OpenedTick, tick: TickContext) =>
  Effect.gen(function* () {
    const claiming = yield* makeClaiming(tick)
    yield* claiming.adopt(opened)
    let page: DuePage = opened
    for (;;) {
      yield* claiming.claimPage(page)
      if (page.cursor === null || (yield* claiming.isOver)) break
      const next = yield* claiming.read(page.cursor)
      if (next === null) break
      page = next
    }
    yield* claiming.claimBacklog
    if (opened.backfills && !claiming.hasBacklog()) yield* claimBackfills(claiming, tick)
  }).pipe(
    Effect.ensuring(Effect.sync(() => tick.claimed.end())),
    Effect.withSpan("Engine.claimAll")
  )
