import { Clock, Effect, Queue } from "effect"
import { decide } from "../Domain/CatchUp.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { DueIntegration, Slot } from "../Domain/Integration.ts"
import type { SkipReport } from "../Domain/Summary.ts"
import { tickError, unreadableError } from "../Domain/Tally.ts"
import { type DuePage, Ledger, type OpenedTick } from "../Services/Ledger.ts"
import { type Claims, Lock } from "../Services/Lock.ts"
import type { TickContext } from "./TickContext.ts"

/** The most slots in one claim; the SQL function enforces the same. */
const MAX_BATCH = 100
/** Reasons that mean that another engine was faster. */
const LOST: ReadonlySet<string> = new Set(["locked", "lost_race"])
/** How many slots are tried first where another engine was met, and how many at most: as many may be lost again. */
const PROBE = 5
const MAX_SHARED = 10
/** Skipped integrations that a tick remembers, so as not to read them again. */
const MAX_PASSED = 100_000
/** A turn of the event loop: what was claimed asks for its start before more is claimed. */
const A_TURN_MS = 0
/** Integrations with more due slots that one tick works off in turn; the others go on in the next tick. */
const MAX_BACKLOG = 1000

/** The means of claiming that a tick has: pages of due slots, waiting runs, further slots of the same integrations. */
export const makeClaiming = (tick: TickContext) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const lock = yield* Lock
    /** Integrations with a run of ours under way and more slots due. */
    const backlog = new Set<string>()
    /** Integrations that were skipped: they are not read again in this tick. */
    const passed = new Set<string>()
    let offered = 0
    let batchSize = 0
    let isStopped = false
    /** Another engine was met. */
    let isShared = false

    /** Until few claimed runs wait to be started. */
    const untilWanted = Effect.suspend(() =>
      tick.claimed.untilAtMost(Math.floor(tick.places.claimAhead / 2))
    )

    const isOver = Effect.map(
      Clock.currentTimeMillis,
      (now) => isStopped || offered >= tick.limit || now >= tick.claimUntil
    )

    const fail = (error: SupabaseError) => Effect.sync(() => tick.tally.error(tickError(error)))

    const skip = (report: SkipReport) =>
      Effect.suspend(() => {
        tick.tally.skip(report)
        return tick.observe({ _tag: "Skip", skip: report })
      })

    const read = (cursor: string | null, limit: number, ids?: ReadonlyArray<string>) =>
      ledger
        .readDue(
          cursor,
          ids === undefined ? tick.scope : { ...tick.scope, integrationIds: ids },
          limit
        )
        .pipe(Effect.catchAll((error) => Effect.as(fail(error), null)))

    /**
     * The page after a cursor. Once another engine was met, only when it is wanted and as much of it as is claimed at
     * once: few slots first, more while none is lost.
     */
    const readPage = (cursor: string | null) =>
      Effect.gen(function* () {
        if (!isShared) return yield* read(cursor, MAX_BATCH)
        yield* untilWanted
        batchSize = Math.min(Math.max(batchSize * 2, PROBE), MAX_SHARED)
        return yield* read(cursor, batchSize)
      })

    /**
     * A page further on than a cursor, where there is that much: what is due after any place begins where another engine
     * has come to, most of the time, because what lies before it is claimed.
     */
    const beyond = (cursor: string) =>
      Effect.map(read(cursor, MAX_BATCH), (page) => page?.cursor ?? cursor)

    /** Runs that wait in the ledger: retries, and claims whose engine is gone. */
    const adopt = (opened: OpenedTick) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        let runs = opened.pending
        while (runs.length > 0 && !(yield* isOver)) {
          for (const run of runs.slice(0, tick.limit - offered)) {
            seen.push(run.run_id)
            offered += 1
            yield* tick.claimed.untilAtMost(tick.places.claimAhead)
            tick.claimed.put({ run, rescued: run.claimed_by !== null, more: false })
          }
          if (runs.length < MAX_BATCH || seen.length >= MAX_BACKLOG) return
          runs = yield* ledger
            .readPending(tick.scope, seen)
            .pipe(Effect.catchAll((error) => Effect.as(fail(error), [])))
        }
      })

    /**
     * What is to happen to each, decided when it is asked for: the first claims need not wait for the schedules of a whole page.
     * One integration's defect must not sink the others: it becomes an error of the tick.
     */
    const plan = function* (page: ReadonlyArray<DueIntegration>, now: number): Generator<Slot> {
      for (const due of page) {
        try {
          yield decide(due, now, tick.settings)
        } catch (defect) {
          tick.tally.error({
            code: "ENGINE_DEFECT",
            message: `Integration ${due.integration_id}: its schedule could not be evaluated (${defect})`,
            hint: "Check its sync_schedule and timezone, and report this as a bug."
          })
        }
      }
    }

    const claim = (slots: ReadonlyArray<Slot>): Effect.Effect<Claims> =>
      lock.claim(slots).pipe(
        Effect.catchAll((error) => {
          // The database may have refused one slot only: the others are claimed without it.
          if (error.reason === "Rejected" && slots.length > 1) {
            return Effect.map(
              Effect.forEach(slots, (slot) => claim([slot])),
              (each) => ({
                claimed: each.flatMap((claims) => claims.claimed),
                skipped: each.flatMap((claims) => claims.skipped)
              })
            )
          }
          isStopped ||= error.reason !== "Rejected"
          return Effect.as(fail(error), {
            claimed: [],
            skipped: slots.map((slot) => ({ ...skipOf(slot), reason: "claim_unconfirmed" }))
          })
        })
      )

    /** Hands claimed runs over to be started. */
    const hand = (claimed: Claims["claimed"], slots: ReadonlyMap<string, Slot>, now: number) => {
      for (const run of claimed) {
        const more = hasMore(slots.get(run.integration_id), now) && backlog.size < MAX_BACKLOG
        if (more) backlog.add(run.integration_id)
        offered += 1
        tick.claimed.put({ run, rescued: false, more })
      }
    }

    /**
     * Claims, whatever interrupts it: what is claimed is handed over, and from there it is given back. Answers how many
     * slots another engine was faster with.
     */
    const claimBatch = (slots: ReadonlyArray<Slot>, now: number) =>
      Effect.uninterruptible(
        Effect.flatMap(claim(slots), (claims) => {
          hand(claims.claimed, new Map(slots.map((slot) => [slot.integration_id, slot])), now)
          const lost = claims.skipped.filter(({ reason }) => LOST.has(reason))
          return Effect.as(account(claims, slots, now), lost.length)
        })
      )

    /** Counts what a batch came to besides runs. */
    const account = ({ skipped }: Claims, slots: ReadonlyArray<Slot>, now: number) =>
      Effect.gen(function* () {
        const bySlot = new Map(slots.map((slot) => [slot.integration_id, slot]))
        const notMovedOn = new Set<string>()
        for (const one of skipped) {
          if (passed.size < MAX_PASSED) passed.add(one.integration_id)
          const slot = bySlot.get(one.integration_id)
          if (one.reason !== "already_recorded") notMovedOn.add(one.integration_id)
          if (one.reason === "schedule_error") tick.tally.error(scheduleError(slot))
          if (slot !== undefined && isDue(slot, now)) yield* skip({ ...one, ...dueOf(slot) })
        }
        for (const slot of slots) {
          if (!notMovedOn.has(slot.integration_id)) {
            tick.tally.passedOver(slot.passed_over?.count ?? 0)
          }
        }
      })

    /**
     * Claims in batches, a little ahead of the starts; more at a time while those wait for claims. With `yieldToOthers` it
     * stops where another engine works off the same slots, and answers that it did.
     */
    const claimSlots = (slots: Iterable<Slot>, now: number, yieldToOthers = false) =>
      Effect.gen(function* () {
        const { claimed, places } = tick
        const planned = slots[Symbol.iterator]()
        for (let next = planned.next(); !next.done; ) {
          yield* untilWanted
          if (yield* isOver) return false
          const { claimAhead } = places
          if (isShared) batchSize = Math.min(Math.max(batchSize, PROBE), MAX_SHARED)
          else {
            const twice = Math.max(batchSize * 2, tick.settings.concurrency)
            batchSize = claimed.size === 0 ? twice : Math.min(twice, claimAhead)
          }
          const size = Math.min(batchSize, MAX_BATCH, tick.limit - offered)
          const batch: Array<Slot> = []
          for (; batch.length < size && !next.done; next = planned.next()) batch.push(next.value)
          const lost = yield* claimBatch(batch, now)
          yield* Effect.sleep(A_TURN_MS)
          isShared ||= lost > 0
          if (yieldToOthers && lost > 0) {
            batchSize = 0
            return true
          }
        }
        return false
      })

    const claimPage = (page: DuePage, yieldToOthers = false) =>
      Effect.gen(function* () {
        for (const row of page.unreadable) tick.tally.error(unreadableError(row))
        // A run of ours under way: its next slot comes when it is over, also where a page shows it before.
        const unseen = page.due.filter(
          ({ integration_id: id }) => !passed.has(id) && !backlog.has(id)
        )
        return yield* claimSlots(plan(unseen, page.now), page.now, yieldToOthers)
      })

    /** Integrations of the backlog whose run is over, as soon as there is one. */
    const takeReady = Effect.map(Queue.takeBetween(tick.ready, 1, MAX_BATCH), (ready) => {
      const ids = Array.from(ready)
      for (const id of ids) backlog.delete(id)
      return ids
    })

    /** The next slots of integrations whose run is over, one at a time each, in turn, until none is due. */
    const claimBacklog = Effect.gen(function* () {
      while (backlog.size > 0 && !(yield* isOver)) {
        const page = yield* read(null, MAX_BATCH, yield* takeReady)
        if (page === null) return
        yield* claimPage(page)
      }
    })

    const hasBacklog = () => backlog.size > 0
    return {
      adopt,
      claimPage,
      claimSlots,
      claimBacklog,
      hasBacklog,
      takeReady,
      readPage,
      beyond,
      isOver,
      fail
    }
  })
export type Claiming = Effect.Effect.Success<ReturnType<typeof makeClaiming>>

/** Whether another slot of the same integration can follow at once. */
const hasMore = (slot: Slot | undefined, now: number): boolean =>
  slot?.backfill !== undefined
    ? !slot.backfill.done
    : slot !== undefined && slot.next_run_at !== null && slot.next_run_at <= now

const isDue = (slot: Slot, now: number): boolean =>
  slot.scheduled_for !== null ||
  (slot.expected_next_run_at !== null && slot.expected_next_run_at <= now)

const skipOf = (slot: Slot) => ({
  org_id: slot.org_id,
  integration_id: slot.integration_id,
  scheduled_for: slot.scheduled_for
})

const dueOf = (slot: Slot) => ({
  org_id: slot.org_id,
  scheduled_for: slot.scheduled_for ?? slot.expected_next_run_at
})

const scheduleError = (slot: Slot | undefined) => ({
  code: "SCHEDULE_INVALID",
  message: `Integration ${slot?.integration_id ?? "?"}: ${slot?.schedule_error ?? "its schedule is invalid"}`,
  hint: "Correct sync_schedule or timezone of this row; it is not due until then. Try it with: sync-scheduler schedules validate"
})
