import { Data, Effect, Either, HashSet } from "effect"
import { EngineConfig } from "../Config.ts"
import { isRejected } from "../Domain/Batch.ts"
import { decideCatchUp } from "../Domain/CatchUp.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { DueIntegration, Slot } from "../Domain/Integration.ts"
import type { Run } from "../Domain/Run.ts"
import type { TickError } from "../Domain/Summary.ts"
import { Ledger, type Work, type WorkRequest } from "../Services/Ledger.ts"
import { type Claims, Lock } from "../Services/Lock.ts"
import type { ClaimedRun } from "./QueueState.ts"
import { RunQueue } from "./RunQueue.ts"
import { invalidSchedule, rejectedError, tickError, unreadableError } from "./SummaryBuilder.ts"
import { MAX_BATCH, TickFrame } from "./TickFrame.ts"
import { TickReport } from "./TickReport.ts"
import { NO_CONTACT } from "./WarmUp.ts"

/** For at most this many integrations, a tick claims several slots, one after another. For the rest, it claims one slot. */
const MAX_FOLLOWED = 1_000

/** The wait before the claim of a locked slot is retried, in milliseconds. */
const LOCKED_RETRY_MS = 100

export interface ClaimResult {
  readonly claimed: ReadonlyArray<ClaimedRun>
  /** The keys of skipped integrations and queued runs, which this tick must not claim again. */
  readonly seen: ReadonlyArray<string>
}

/** Ends the claim loop. The tick has already recorded the error. */
export class ClaimUnanswered extends Data.TaggedError("ClaimUnanswered") {}

/** Records a failed call as a tick error. *Fails with* ClaimUnanswered. */
export const reported = <A>(call: Effect.Effect<A, SupabaseError>) =>
  Effect.catchAll(call, (error) =>
    Effect.gen(function* () {
      yield* (yield* TickReport).error(tickError(error))
      return yield* new ClaimUnanswered()
    })
  )

export const claimedRun = (run: Run, rescued: boolean, more: boolean): ClaimedRun => ({
  run,
  rescued,
  more,
  contact: run.warm_up ? null : NO_CONTACT
})

/** Claims slots and queues the claimed runs. Cannot be interrupted. `slots` contains at most one slot per integration. */
export const claimSlots = (slots: ReadonlyArray<Slot>, now: number, followed: number) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const report = yield* TickReport
    const bySlot = new Map(slots.map((slot) => [slot.integration_id, slot]))
    const { claims, isAnswered } = yield* claim(slots)
    let free = MAX_FOLLOWED - followed
    const claimed = claims.claimed.map((run) => {
      const more = hasMore(bySlot.get(run.integration_id), now) && free-- > 0
      return claimedRun(run, false, more)
    })
    if (claimed.length > 0) yield* queue.offer(claimed)
    const isLeft = new Set<string>()
    for (const skip of claims.skipped) {
      const slot = bySlot.get(skip.integration_id)
      if (skip.reason !== "already_recorded") isLeft.add(skip.integration_id)
      if (skip.reason === "schedule_error") {
        yield* report.error(invalidSchedule(skip.integration_id, slot?.schedule_error))
      }
      if (skip.reason === "rejected") {
        yield* report.error(rejectedError(skip.integration_id, skip.detail))
      }
      if (slot !== undefined && isDue(slot, now)) yield* report.skip({ ...skip, ...dueOf(slot) })
    }
    const moved = slots.filter(({ integration_id }) => !isLeft.has(integration_id))
    yield* report.skippedSlots(
      moved.reduce((sum, slot) => sum + (slot.skipped_range?.count ?? 0), 0)
    )
    if (!isAnswered) return yield* new ClaimUnanswered()
    return { claimed, seen: claims.skipped.map(({ integration_id }) => integration_id) }
  }).pipe(Effect.uninterruptible)

/** Retries locked slots once, because another engine's fetch locks a row only briefly. */
const claim = (slots: ReadonlyArray<Slot>) =>
  Effect.gen(function* () {
    const first = yield* claimOnce(slots)
    const { claimed, skipped } = first.claims
    const locked = new Set(
      skipped.flatMap((skip) => (skip.reason === "locked" ? [skip.integration_id] : []))
    )
    if (locked.size === 0) return first
    yield* Effect.sleep(LOCKED_RETRY_MS)
    if (yield* (yield* RunQueue).isStopped) return first
    const second = yield* claimOnce(slots.filter((slot) => locked.has(slot.integration_id)))
    return {
      claims: {
        claimed: [...claimed, ...second.claims.claimed],
        skipped: [
          ...skipped.filter((skip) => !locked.has(skip.integration_id)),
          ...second.claims.skipped
        ]
      },
      isAnswered: first.isAnswered && second.isAnswered
    }
  })

/** If the database rejects the call, claims the slots one by one, because one slot might have caused the rejection. */
const claimOnce = (
  slots: ReadonlyArray<Slot>
): Effect.Effect<
  { readonly claims: Claims; readonly isAnswered: boolean },
  never,
  Lock | TickReport
> =>
  Effect.gen(function* () {
    const lock = yield* Lock
    const report = yield* TickReport
    if (slots.length === 0) return { claims: { claimed: [], skipped: [] }, isAnswered: true }
    return yield* lock.claim(slots).pipe(
      Effect.map((claims) => ({ claims, isAnswered: true })),
      Effect.catchAll((error) =>
        Effect.gen(function* () {
          const isOfRow = isRejected(error)
          if (isOfRow && slots.length > 1) {
            const each = yield* Effect.forEach(slots, (slot) => claimOnce([slot]))
            return {
              claims: {
                claimed: each.flatMap(({ claims }) => claims.claimed),
                skipped: each.flatMap(({ claims }) => claims.skipped)
              },
              isAnswered: each.every(({ isAnswered }) => isAnswered)
            }
          }
          if (!isOfRow) yield* report.error(tickError(error))
          const why = {
            reason: isOfRow ? "rejected" : "claim_unconfirmed",
            detail: error.message
          }
          const skipped = slots.map((slot) => ({ ...slotOf(slot), ...why }))
          return { claims: { claimed: [], skipped }, isAnswered: isOfRow }
        })
      )
    )
  })

/** Decides about each item. A defect becomes the tick error that `errorOf` returns, so that other items are not affected. */
export const decideEach = <A, B>(
  items: ReadonlyArray<A>,
  decide: (item: A) => B,
  errorOf: (item: A, defect: unknown) => Omit<TickError, "code">
) =>
  Effect.gen(function* () {
    const report = yield* TickReport
    const decided: Array<B> = []
    for (const item of items) {
      const decision = Either.try(() => decide(item))
      if (Either.isRight(decision)) decided.push(decision.right)
      else yield* report.error({ code: "ENGINE_DEFECT", ...errorOf(item, decision.left) })
    }
    return decided
  })

const scheduleDefect = ({ integration_id }: DueIntegration, defect: unknown) => ({
  message: `Integration ${integration_id}: its schedule could not be evaluated (${defect})`,
  hint: "Check its sync_schedule and timezone, and report this as a bug."
})

const attemptKey = ({ attempt, run_id }: Run): string => `${run_id} ${attempt}`

/**
 * Claims the runs and slots in `work`, except those in `seen`. `followed` is the number of integrations whose next slot this tick
 * will claim.
 */
export const claimWork = (work: Work, seen: HashSet.HashSet<string>, followed: number) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const settings = yield* EngineConfig
    const report = yield* TickReport
    for (const row of work.unreadable) {
      if (!HashSet.has(seen, row.id)) yield* report.error(unreadableError(row))
    }
    const pending = work.pending
      .filter((run) => !HashSet.has(seen, attemptKey(run)))
      .map((run) => claimedRun(run, run.claimed_by !== null, false))
    if (pending.length > 0) yield* queue.offer(pending)
    const due = work.due.filter(({ integration_id }) => !HashSet.has(seen, integration_id))
    const slots = yield* decideEach(
      due,
      (one) => decideCatchUp(one, work.now, settings),
      scheduleDefect
    )
    const result = yield* claimSlots(slots, work.now, followed)
    const claimed = [...pending, ...result.claimed]
    // A waiting run will be fetched again after its reservation ends.
    const waiting = claimed.map(({ run }) => attemptKey(run))
    const unreadable = work.unreadable.map(({ id }) => id)
    return { ...result, claimed, seen: [...result.seen, ...waiting, ...unreadable] }
  })

export const fetch = (
  request: Omit<WorkRequest, "scope">,
  integrationIds?: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const frame = yield* TickFrame
    const scope = integrationIds === undefined ? frame.scope : { ...frame.scope, integrationIds }
    const limit = Math.min(Math.max(request.limit, 1), MAX_BATCH)
    return yield* reported(ledger.fetch({ ...request, scope, limit }))
  })

const hasMore = (slot: Slot | undefined, now: number): boolean =>
  slot?.backfill !== undefined
    ? !slot.backfill.done
    : slot !== undefined && slot.next_run_at !== null && slot.next_run_at <= now

const isDue = (slot: Slot, now: number): boolean =>
  slot.scheduled_for !== null ||
  (slot.expected_next_run_at !== null && slot.expected_next_run_at <= now)

const slotOf = ({ integration_id, org_id, scheduled_for }: Slot) => ({
  org_id,
  integration_id,
  scheduled_for
})

const dueOf = (slot: Slot) => ({
  org_id: slot.org_id,
  scheduled_for: slot.scheduled_for ?? slot.expected_next_run_at
})
