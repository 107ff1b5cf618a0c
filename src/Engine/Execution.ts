import { Cause, Effect, Either, Option } from "effect"
import { type Outcome, ofError } from "../Domain/Outcome.ts"
import type { Settled } from "../Domain/Rpc.ts"
import type { Run, RunStatus, StartedRun } from "../Domain/Run.ts"
import type { RunReport } from "../Domain/Summary.ts"
import { tickError } from "../Domain/Tally.ts"
import type { FirstContact } from "../Services/Ledger.ts"
import type { Claimed } from "./ClaimedRuns.ts"
import type { Place } from "./Places.ts"
import { frozen, settlementOf } from "./Settling.ts"
import type { TickContext } from "./TickContext.ts"
import { type Functions, isCold } from "./Warming.ts"

/** A start that is older than this is not sent any more: a frozen engine gives the run back. */
const SEND_WITHIN_MS = 20_000
/** How long a started run waits for a worker before its start is taken back. */
const WAIT_MS = 10_000

/**
 * One claimed run, from pending to its outcome: start it, and only when that is confirmed invoke it once, then record
 * what came of it by token. Never fails: everything that can happen ends in the tally.
 */
export const execute = (
  item: Claimed,
  place: Place,
  functions: Functions,
  tick: TickContext
): Effect.Effect<void> =>
  Effect.matchCauseEffect(carryOut(item, place, functions, tick), {
    onFailure: (cause) => {
      tick.tally.error({
        code: "ENGINE_DEFECT",
        message: `Run ${item.run.run_id}: ${cause}`,
        hint: "The lease of the run decides what happens to it. Report this as a bug."
      })
      return end(item, place, tick)
    },
    onSuccess: (came) => (came === "held" ? Effect.sync(place.close) : end(item, place, tick))
  })

/** Nothing of it is left: the next slot of its integration may come. */
const end = (item: Claimed, place: Place, tick: TickContext): Effect.Effect<void> => {
  place.close()
  return item.more ? Effect.asVoid(tick.ready.offer(item.run.integration_id)) : Effect.void
}

/** "held": the run comes again in this tick. */
const carryOut = (item: Claimed, place: Place, functions: Functions, tick: TickContext) =>
  Effect.gen(function* () {
    const { ledger } = tick
    const { run } = item
    if (!functions.isAvailable(run.function_name)) {
      yield* ledger.release([run.run_id]).pipe(Effect.ignore)
      return yield* skip(run, "function_unavailable", tick)
    }
    const warm = run.warm_up ? yield* functions.warmUp(run.function_name, true) : null
    const contact = {
      cold_start: warm !== null && isCold(warm),
      warm_up_ms: warm === null ? null : Math.round(warm.latencyMs)
    }
    const invoked = yield* invoke(item, contact, tick)
    if (invoked === null || invoked === "held") return invoked
    const { answered, outcome, requested, sent, started } = invoked
    place.leave(answered.monotonic - sent.monotonic)
    if (outcome !== frozen) functions.observe(run.function_name, outcome)

    const settlement = yield* settlementOf(started, outcome, tick)
    const { leaseMarginMs } = tick.settings
    const remainingMs = timeoutOf(run, tick) + leaseMarginMs - elapsed(requested, answered)
    const settled = yield* Effect.either(
      ledger.settle(settlement, Math.max(remainingMs, leaseMarginMs))
    )
    if (Either.isLeft(settled)) tick.tally.error(tickError(settled.left))
    const report = {
      ...reportOf(started, outcome, Either.getRight(settled), answered.wall - sent.wall),
      cold_start: contact.cold_start
    }
    tick.tally.run(report, item.rescued)
    return yield* tick.observe({ _tag: "Run", run: report })
  })

const timeoutOf = (run: Run, tick: TickContext): number =>
  run.invoke_timeout_ms ?? tick.settings.invokeTimeoutMs

interface Requested {
  readonly started: StartedRun
  readonly requested: Clocks
}

/** What came of a run that was started; `outcome` frozen: it was not sent. */
interface Invoked extends Requested {
  readonly outcome: Outcome
  readonly sent: Clocks
  readonly answered: Clocks
}

/**
 * Starts a run ahead of the worker that will invoke it. When all workers are busy for longer than could be foreseen, the
 * start is taken back, and the run is started again by the worker that becomes free. Null: there was nothing to invoke;
 * "held": it comes again in this tick.
 */
const invoke = (
  item: Claimed,
  contact: FirstContact,
  tick: TickContext
): Effect.Effect<Invoked | null | "held"> =>
  Effect.gen(function* () {
    const { ledger, line } = tick
    const { run } = item
    const first = yield* start(item, contact, tick)
    if (first === null || first === "held") return first
    const sent = yield* line.send(invokeStarted(first, tick), WAIT_MS)
    if (Option.isSome(sent)) return sent.value

    const isBack = yield* Effect.either(ledger.unstart(run.run_id, first.started.lease_token))
    if (Either.isLeft(isBack) || !isBack.right) {
      const now = readClocks(tick)
      return { ...first, outcome: frozen, sent: now, answered: now }
    }
    const again = Effect.flatMap(
      start(item, contact, tick),
      (second): Effect.Effect<Invoked | null | "held"> =>
        second === null || second === "held" ? Effect.succeed(second) : invokeStarted(second, tick)
    )
    const sentAgain = line.isOver
      ? Option.none()
      : yield* line.send(again, Number.POSITIVE_INFINITY)
    if (Option.isSome(sentAgain)) return sentAgain.value
    yield* Effect.ignore(ledger.release([run.run_id]))
    return null
  })

/** pending -> running, confirmed. Null: it is not ours to run, and counted as skipped; "held": it is asked for again. */
const start = (
  item: Claimed,
  contact: FirstContact,
  tick: TickContext
): Effect.Effect<Requested | null | "held"> =>
  Effect.suspend(() => {
    const { run } = item
    const leaseToken = tick.nextToken()
    const requested = readClocks(tick)
    const leaseMs = timeoutOf(run, tick) + tick.settings.leaseMarginMs
    const confirm = () => {
      const confirmed = readClocks(tick)
      tick.places.confirmed(confirmed.monotonic - requested.monotonic)
      return confirmed
    }
    return Effect.matchEffect(tick.ledger.start(run, leaseToken, leaseMs, contact), {
      onFailure: (error) => {
        confirm()
        tick.tally.error(tickError(error))
        return skip(run, "start_unconfirmed", tick)
      },
      onSuccess: (answer): Effect.Effect<Requested | null | "held"> => {
        const { wall } = confirm()
        if (answer._tag === "Started") {
          const started: StartedRun = { ...answer.run, lease_token: leaseToken }
          return Effect.succeed({ started, requested })
        }
        const { reason, retryInMs } = answer
        return retryInMs !== null && wall + retryInMs <= tick.holdUntil
          ? Effect.as(tick.claimed.putAfter(item, retryInMs), "held" as const)
          : skip(run, reason, tick)
      }
    })
  })

const invokeStarted = (
  { requested, started }: Requested,
  tick: TickContext
): Effect.Effect<Invoked> =>
  Effect.suspend(() => {
    const sent = readClocks(tick)
    const isLate = elapsed(requested, sent) > SEND_WITHIN_MS
    const outcome = isLate ? Effect.succeed(frozen) : invokeOnce(started, sent, tick)
    return Effect.map(outcome, (came) => ({
      started,
      requested,
      outcome: came,
      sent,
      answered: readClocks(tick)
    }))
  })

interface Clocks {
  readonly wall: number
  readonly monotonic: number
}

/** Both clocks, in milliseconds: a frozen process is seen by one, a suspended machine by the other. */
const readClocks = ({ clock }: TickContext): Clocks => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
})

const elapsed = (from: Clocks, to: Clocks): number =>
  Math.max(to.wall - from.wall, to.monotonic - from.monotonic)

/** One invocation, whatever becomes of it: an error or a defect is an outcome too. */
const invokeOnce = (run: StartedRun, sent: Clocks, tick: TickContext): Effect.Effect<Outcome> => {
  const timeoutMs = timeoutOf(run, tick)
  // The function judges the deadline by its own clock, so it is given by the database's, not by one that may be wrong.
  const deadline = Math.round(sent.wall - tick.skewMs + timeoutMs)
  return Effect.catchAllCause(
    tick.invoker.invoke({ run, functionName: run.function_name, deadline, timeoutMs }),
    (cause) =>
      Effect.succeed(
        Either.match(Cause.failureOrCause(cause), {
          onLeft: ofError,
          onRight: (defect): Outcome => ({
            _tag: "Unknown",
            httpStatus: null,
            code: "ENGINE_DEFECT",
            message: `The invocation died in the engine: ${defect}`
          })
        })
      )
  )
}

const reportOf = (
  run: StartedRun,
  outcome: Outcome,
  settled: Option.Option<Settled>,
  durationMs: number
): Omit<RunReport, "cold_start"> => {
  const status: RunStatus = Option.match(settled, {
    onNone: () => "running",
    onSome: (one) => one.status ?? "unknown"
  })
  const retryAt = Option.flatMapNullable(settled, (one) => one.retry_at)
  const error = errorOf(outcome, settled)
  return {
    run_id: run.run_id,
    org_id: run.org_id,
    integration_id: run.integration_id,
    integration_type: run.integration_type,
    scheduled_for: run.scheduled_for,
    trigger: run.trigger,
    attempt: run.attempt,
    status,
    drift_ms: run.drift_ms,
    duration_ms: durationMs,
    http_status: outcome.httpStatus,
    ...(error === null || status === "completed"
      ? {}
      : {
          error: Option.match(retryAt, {
            onNone: () => error,
            onSome: (retry_at) => ({ ...error, retry_at })
          })
        })
  }
}

const errorOf = (outcome: Outcome, settled: Option.Option<Settled>) => {
  if (Option.isNone(settled)) {
    return {
      code: "OUTCOME_NOT_RECORDED",
      message: `The function's outcome (${outcome._tag}) could not be recorded; the lease decides.`
    }
  }
  return "code" in outcome ? { code: outcome.code, message: outcome.message } : null
}

/** Counts a run that is not ours to invoke. */
const skip = (run: Run, reason: string, tick: TickContext): Effect.Effect<null> =>
  Effect.suspend(() => {
    const report = {
      org_id: run.org_id,
      integration_id: run.integration_id,
      scheduled_for: run.scheduled_for,
      reason
    }
    tick.tally.skip(report)
    return Effect.as(tick.observe({ _tag: "Skip", skip: report }), null)
  })
