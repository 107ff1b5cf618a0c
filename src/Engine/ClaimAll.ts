import { Clock, Effect, Random } from "effect"
import { elsewhere } from "../Domain/PageCursor.ts"
import type { DuePage, OpenedTick } from "../Services/Ledger.ts"
import { claimBackfills } from "./Backfilling.ts"
import { type Claiming, makeClaiming } from "./Claiming.ts"
import type { TickContext } from "./TickContext.ts"

/** How often a tick gives way to other engines; then it leaves them what it did not come to. */
const MAX_MOVES = 200
/** The pause after a page that another engine worked on: random, up to so long, twice as long each time in a row. */
const PAUSE_MS = 20
const MAX_PAUSE_MS = 320

/** While runs are under way, what becomes due is looked for so often, and for so long: then the tick comes to its end. */
const AGAIN_EVERY_MS = 15_000
const AGAIN_FOR_MS = 120_000

/**
 * Everything there is to start: what waits, then every due page, then further slots of the same integrations, and when
 * nothing of the schedules is left, slots of the past that were asked for. Then what becomes due meanwhile.
 */
export const claimAll = (opened: OpenedTick, tick: TickContext) =>
  Effect.gen(function* () {
    const claiming = yield* makeClaiming(tick)
    yield* claiming.adopt(opened)
    yield* claimPages(opened, claiming)
    yield* claiming.claimBacklog
    if (opened.backfills && !claiming.hasBacklog()) yield* claimBackfills(claiming, tick)
    yield* claimMeanwhile(claiming, tick)
  }).pipe(
    Effect.ensuring(Effect.sync(() => tick.claimed.end())),
    Effect.withSpan("Engine.claimAll")
  )

/**
 * Every page of what is due. Where another engine works on the same page, it goes on elsewhere among what is due, and
 * comes back at the end for what is left, so that several engines spread over different pages. Where they meet again and
 * again, because little is left, they pause: one of them is about to have it all.
 */
const claimPages = (first: DuePage, claiming: Claiming) =>
  Effect.gen(function* () {
    let page: DuePage = first
    let moves = 0
    let meetings = 0
    let isLeftOver = false
    for (;;) {
      const isTaken = yield* claiming.claimPage(page, moves < MAX_MOVES)
      if (yield* claiming.isOver) return
      let cursor = page.cursor
      const slot = page.due.at(-1)?.next_run_at ?? null
      meetings = isTaken ? meetings + 1 : 0
      if (isTaken && slot !== null) {
        const most = Math.min(PAUSE_MS * 2 ** (meetings - 1), MAX_PAUSE_MS)
        yield* Effect.sleep(yield* Random.nextIntBetween(0, most))
        moves += 1
        isLeftOver = true
        cursor = yield* claiming.beyond(elsewhere(slot, yield* Random.next))
      } else if (cursor === null) {
        if (!isLeftOver) return
        isLeftOver = false
      }
      const next = yield* claiming.readPage(cursor)
      if (next === null) return
      page = next
    }
  })

/** What becomes due while runs are under way: a function that takes long must not make others late. */
const claimMeanwhile = (claiming: Claiming, { claimed, places }: TickContext) =>
  Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + AGAIN_FOR_MS
    for (;;) {
      const isIdle = yield* Effect.timeoutTo(
        places.untilIdle(() => claimed.isAwaited),
        {
          duration: AGAIN_EVERY_MS,
          onSuccess: () => true,
          onTimeout: () => false
        }
      )
      const isTime = (yield* Clock.currentTimeMillis) >= until
      if (isIdle || isTime || (yield* claiming.isOver)) return
      const page = yield* claiming.readPage(null)
      if (page === null) return
      yield* claimPages(page, claiming)
      yield* claiming.claimBacklog
    }
  })
