import { Clock, Effect, HashSet, Option, Ref } from "effect"
import { EngineConfig } from "../Config.ts"
import { UNNAMED } from "../Database/ReadRows.ts"
import type { Run } from "../Domain/Run.ts"
import { traced } from "../Domain/Tracing.ts"
import type { OpenedTick, Work } from "../Services/Ledger.ts"
import { claimBackfills } from "./Backfills.ts"
import { type ClaimResult, claimWork, fetch } from "./Claims.ts"
import type { Demand } from "./QueueState.ts"
import { RunQueue } from "./RunQueue.ts"
import { releaseUnused, revertStale } from "./Starts.ts"
import { MAX_BATCH, TickFrame } from "./TickFrame.ts"

/** The interval between fetches for organisations that have no waiting runs, in milliseconds. */
const LOOK_EVERY_MS = 5_000
/** The interval if organisations with few waiting runs were excluded, and the minimum interval between two alarms. */
const LOOK_AGAIN_MS = 1_000
/** How long a tick can claim backfill slots, in milliseconds. The next tick then claims scheduled slots first. */
const BACKFILL_FOR_MS = 60_000

/** The maximum number of rejected integrations to exclude from fetches. */
const MAX_REJECTED = 1_000

interface Progress {
  readonly startedAt: number
  /** Slots, runs and cursors that this tick must not process again. */
  readonly seen: HashSet.HashSet<string>
  readonly rejected: HashSet.HashSet<string>
  /** Integrations whose next slot this tick claims as soon as their current run ends. */
  readonly followed: HashSet.HashSet<string>
  readonly followedBackfills: HashSet.HashSet<string>
  readonly claimed: number
  readonly hasMore: boolean
  /** Whether organisations without waiting runs have more work than the last fetch returned. */
  readonly hasOthers: boolean
  readonly othersAt: number
  /** Integrations whose backfills can continue. */
  readonly backfills: "all" | ReadonlyArray<string>
  /** The organisations that had a run in progress at `claimUntil`; None before that time. */
  readonly late: Option.Option<ReadonlyArray<string>>
  readonly isOver: boolean
}

const initial = (opened: OpenedTick, startedAt: number): Progress => ({
  startedAt,
  seen: HashSet.empty(),
  rejected: HashSet.empty(),
  followed: HashSet.empty(),
  followedBackfills: HashSet.empty(),
  claimed: 0,
  hasMore: opened.more,
  hasOthers: false,
  othersAt: 0,
  backfills: opened.backfills ? "all" : [],
  late: Option.none(),
  isOver: false
})

/**
 * Fetches and claims runs shortly before they can start, until nothing is due and no run is in progress. When a run ends, claims
 * the next due slot of its integration. Every 5 s, looks for due slots of organisations that have no waiting runs, and every
 * second while organisations with few waiting runs are excluded. One organisation's backlog therefore delays another organisation
 * by at most 5 s plus the wait for a permit. Claims backfill slots when no scheduled slot is left to claim. Ends early if the
 * database does not answer.
 */
export const runClaimLoop = (opened: OpenedTick) =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const lookAt = yield* Ref.make(startedAt + LOOK_EVERY_MS)
    yield* Effect.fork(alarm(lookAt))
    const first = yield* claim(opened, initial(opened, startedAt))
    yield* Effect.iterate(first, {
      while: ({ isOver }) => !isOver,
      body: (progress) => step(progress, lookAt)
    })
  }).pipe(
    Effect.catchTag("ClaimUnanswered", () => Effect.void),
    Effect.ensuring(Effect.flatMap(RunQueue, (queue) => queue.endClaiming)),
    traced("Engine.claimRuns")
  )

/** Wakes the claim loop at `lookAt`. A single timer is cheaper than a timeout for each wait. */
const alarm = (lookAt: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    for (;;) {
      const leftMs = (yield* lookAt) - (yield* Clock.currentTimeMillis)
      if (leftMs <= 0) yield* queue.wakeClaiming
      yield* Effect.sleep(Math.max(leftMs, LOOK_AGAIN_MS))
    }
  })

const step = (progress: Progress, lookAt: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const { claimUntil, limit, sendUntil } = yield* TickFrame
    const over: Progress = { ...progress, isOver: true }
    const now = yield* Clock.currentTimeMillis
    if (progress.claimed >= limit || now >= sendUntil || (yield* queue.isStopped)) return over
    const demand = yield* queue.demand
    const isLookDue = yield* judgeLook(demand, now, progress, lookAt)
    if (now >= claimUntil) {
      const ended = yield* endClaims(demand, progress)
      const late = lateOrgs(ended)
      if (!demand.openOrgs().some((orgId) => late.includes(orgId))) return over
      if (isLookDue) return yield* look(demand, now, ended, lookAt)
      return yield* Effect.as(queue.changed, ended)
    }
    const followed = yield* queue.takeFollowed
    if (followed.length > 0) return yield* claimFollowing(followed, progress)
    if (demand.isLow && progress.hasMore) return yield* refill(demand, now, progress)
    if (isLookDue) return yield* look(demand, now, progress, lookAt)
    if (demand.isLow && hasBackfills(progress, now)) return yield* backfill(progress)
    return demand.isIdle ? over : yield* Effect.as(queue.changed, progress)
  })

const claim = (work: Work, progress: Progress) =>
  Effect.gen(function* () {
    const { followed, rejected, seen } = progress
    const unreadable = work.unreadable.flatMap(({ id }) => (id === UNNAMED ? [] : [id]))
    const room = MAX_REJECTED - HashSet.size(rejected)
    const result = yield* claimWork(work, seen, HashSet.size(followed))
    return {
      ...afterClaim(result, progress),
      rejected: withAll(rejected, unreadable.slice(0, room)),
      followed: withAll(followed, idsWithMore(result))
    }
  })

/** Adds integrations with more due slots to `seen`, because the next slot is claimed only after the current run has ended. */
const afterClaim = (result: ClaimResult, progress: Progress): Progress => ({
  ...progress,
  claimed: progress.claimed + result.claimed.length,
  seen: withAll(progress.seen, [...result.seen, ...idsWithMore(result)])
})

/** `HashSet.union` would copy the whole set, which would make a tick with many runs quadratic. */
const withAll = (
  set: HashSet.HashSet<string>,
  keys: ReadonlyArray<string>
): HashSet.HashSet<string> =>
  HashSet.mutate(set, (draft) => {
    for (const key of keys) HashSet.add(draft, key)
  })

const idsWithMore = ({ claimed }: ClaimResult): ReadonlyArray<string> =>
  claimed.flatMap(({ more, run }) => (more ? [run.integration_id] : []))

const claimFollowing = (ended: ReadonlyArray<Run>, progress: Progress) =>
  Effect.gen(function* () {
    const { backfills, followed, followedBackfills, seen } = progress
    const { limit } = yield* TickFrame
    const all = ended.map((run) => run.integration_id)
    const ids = all.filter((id) => HashSet.has(followed, id)).slice(0, limit - progress.claimed)
    const ofBackfills = all.filter((id) => HashSet.has(followedBackfills, id))
    const excludedIds = [...progress.rejected]
    let next: Progress = {
      ...progress,
      seen: HashSet.difference(seen, all),
      followed: HashSet.difference(followed, ids),
      followedBackfills: HashSet.difference(followedBackfills, ofBackfills),
      backfills: backfills === "all" ? backfills : [...backfills, ...ofBackfills]
    }
    for (let from = 0; from < ids.length; from += MAX_BATCH) {
      const integrationIds = ids.slice(from, from + MAX_BATCH)
      next = yield* claim(yield* fetch({ limit: MAX_BATCH, excludedIds }, integrationIds), next)
    }
    return next
  })

/** Fetches work for organisations with few waiting runs first, then for all organisations in order of due time. */
const refill = (demand: Demand, now: number, progress: Progress) =>
  Effect.gen(function* () {
    const { limit: most } = yield* TickFrame
    const limit = Math.min(demand.wanted - demand.waiting, most - progress.claimed)
    const excludedIds = [...progress.rejected]
    const busy = now >= progress.othersAt ? demand.busyOrgs() : []
    if (busy.length > 0) {
      const others = yield* fetch({ limit, excludedOrgs: busy, excludedIds })
      const isNone = others.due.length + others.pending.length === 0 && !others.more
      const othersAt = isNone ? now + LOOK_EVERY_MS : progress.othersAt
      return yield* claim(others, { ...progress, othersAt })
    }
    const work = yield* fetch({ limit, excludedIds })
    return yield* claim(work, { ...progress, hasMore: work.more })
  })

/**
 * Returns whether to call `look`. The call is due every 5 s, or earlier if few organisations have waiting runs and others have
 * more work.
 */
const judgeLook = (demand: Demand, now: number, progress: Progress, lookAt: Ref.Ref<number>) =>
  Effect.zipWith(
    lookAt,
    EngineConfig,
    (at, { concurrency }) =>
      now >= at || (progress.hasOthers && demand.waitingOrgs().length <= concurrency)
  )

/** Fetches work for organisations that have no waiting runs. */
const look = (demand: Demand, now: number, progress: Progress, lookAt: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const { concurrency } = yield* EngineConfig
    const { limit } = yield* TickFrame
    // An organisation with a single waiting run might have other due slots, which this fetch excludes.
    const waiting = demand.waitingOrgs()
    const isSoon = waiting.length > demand.busyOrgs().length
    yield* Ref.set(lookAt, now + (isSoon ? LOOK_AGAIN_MS : LOOK_EVERY_MS))
    yield* revertStale
    const work = yield* fetch({
      limit: Math.min(concurrency, limit - progress.claimed),
      excludedOrgs: [...waiting, ...lateOrgs(progress)],
      excludedIds: [...progress.rejected]
    })
    const hasMore = progress.hasMore || work.more
    return yield* claim(work, { ...progress, hasMore, hasOthers: work.more })
  })

/** Releases all waiting runs. From now on, this tick claims no runs for organisations that have a run in progress. */
const endClaims = (demand: Demand, progress: Progress) =>
  Option.isSome(progress.late)
    ? Effect.succeed(progress)
    : Effect.as(releaseUnused(true), { ...progress, late: Option.some(demand.openOrgs()) })

const lateOrgs = ({ late }: Progress): ReadonlyArray<string> => Option.getOrElse(late, () => [])

const hasBackfills = ({ backfills, followed, startedAt }: Progress, now: number): boolean =>
  now < startedAt + BACKFILL_FOR_MS && HashSet.size(followed) === 0 && backfills.length > 0

const backfill = (progress: Progress) =>
  Effect.gen(function* () {
    const { limit } = yield* TickFrame
    const { result, unfinished } = yield* claimBackfills(
      progress.backfills,
      progress.seen,
      limit - progress.claimed
    )
    const followedBackfills = withAll(progress.followedBackfills, idsWithMore(result))
    return { ...afterClaim(result, progress), followedBackfills, backfills: unfinished }
  })
