import { Array as Arr, Effect, Either, Option, Random } from "effect"
import { EngineConfig } from "../Config.ts"
import { jsonbSafe, jsonbSafeText } from "../Database/JsonbSafe.ts"
import { outcomeName, type Settled, type Settlement } from "../Database/Rpc.ts"
import { isContended, isRejected } from "../Domain/Batch.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { signalOf } from "../Domain/Health/HealthSignal.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import { retryDelay } from "../Domain/Retry.ts"
import { type RunStatus, timeoutOf } from "../Domain/Run.ts"
import type { RunReport } from "../Domain/Summary.ts"
import { Ledger } from "../Services/Ledger.ts"
import { elapsedMs, now } from "./ClockReading.ts"
import { staleStart } from "./Invocations.ts"
import type { AnsweredRun } from "./QueueState.ts"
import { RunQueue } from "./RunQueue.ts"
import { unrecordedError } from "./SummaryBuilder.ts"
import { TickFrame } from "./TickFrame.ts"
import { TickReport } from "./TickReport.ts"

/** The pause before unrecorded outcomes are sent again, in milliseconds. The pause doubles after each failure. */
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000
/** The longest pause while other outcomes can be recorded. */
const LONGEST_RETRY_OF_ROWS_MS = 1_000

interface Unrecorded {
  readonly answer: AnsweredRun
  readonly settlement: Settlement
}

interface Refused extends Unrecorded {
  readonly error: SupabaseError
}

/**
 * Writes outcomes to the ledger, one batch per call, until no more outcomes can arrive. If an outcome cannot be recorded, sends
 * it again with the same token until the run's lease ends, and starts no runs in the meantime, unless only the rows of these
 * runs are rejected or locked. When the lease ends, drops the outcome and reports an error that names the run.
 */
export const runRecordLoop = Effect.gen(function* () {
  const queue = yield* RunQueue
  for (;;) {
    const collectMs = yield* queue.answered
    if (collectMs > 0) yield* Effect.sleep(collectMs)
    const answers = yield* queue.takeAnswered
    if (answers.length === 0) return
    yield* recordAll(yield* unrecorded(answers))
  }
})

const recordAll = (first: ReadonlyArray<Unrecorded>) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const { hasSeveralOrganisations } = yield* TickFrame
    let { left, wasRecorded } = yield* record(first)
    let pauseMs = FIRST_RETRY_MS
    while (left.length > 0) {
      const isOfRows =
        left.every(({ error }) => isRejected(error) || isContended(error)) &&
        (wasRecorded || (hasSeveralOrganisations && isOfOneOrganisation(left)))
      yield* queue.setBlocked(!isOfRows)
      yield* Effect.sleep(yield* jittered(pauseMs))
      pauseMs = Math.min(pauseMs * 2, isOfRows ? LONGEST_RETRY_OF_ROWS_MS : LONGEST_RETRY_MS)
      const more = yield* unrecorded(yield* queue.takeMoreAnswered)
      const last = yield* record([...left, ...more])
      left = last.left
      // Only a new outcome shows whether the database still records outcomes.
      wasRecorded = last.wasRecorded || (wasRecorded && more.length === 0)
    }
    yield* queue.setBlocked(false)
  })

const isOfOneOrganisation = (left: ReadonlyArray<Unrecorded>): boolean =>
  new Set(left.map(({ answer }) => answer.run.org_id)).size === 1

const jittered = (ms: number) =>
  Effect.map(Random.nextRange(0.8, 1.2), (factor) => Math.round(ms * factor))

/** Sends outcomes once. `left` contains the unrecorded outcomes whose leases have not ended. */
const record = (batch: ReadonlyArray<Unrecorded>) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const queue = yield* RunQueue
    const report = yield* TickReport
    const { invokeTimeoutMs, leaseMarginMs } = yield* EngineConfig
    const results = yield* ledger.settle(batch.map(({ settlement }) => settlement))
    const at = yield* now
    const isLeased = ({ requested, run }: AnsweredRun) =>
      elapsedMs(requested, at) < timeoutOf(run, invokeTimeoutMs) + leaseMarginMs
    const reportRun = (answer: AnsweredRun, settled: Option.Option<Settled>) =>
      Effect.zipRight(
        answer.span.inside(report.run(reportOf(answer, settled), answer.claimed.rescued)),
        answer.span.end
      )
    const left: Array<Refused> = []
    const lost: Array<Refused> = []
    for (const [one, result] of Arr.zip(batch, results)) {
      if (Either.isRight(result)) yield* reportRun(one.answer, Option.some(result.right))
      else (isLeased(one.answer) ? left : lost).push({ ...one, error: result.left })
    }
    if (lost.length > 0) {
      yield* report.error(
        unrecordedError(lost.map(({ answer, error }) => ({ run: answer.run, error })))
      )
      for (const { answer } of lost) yield* reportRun(answer, Option.none())
    }
    const kept = new Set(left.map(({ answer }) => answer))
    const answers = batch.map(({ answer }) => answer).filter((answer) => !kept.has(answer))
    yield* queue.recorded(answers.map(({ claimed }) => claimed))
    return { left, wasRecorded: answers.length > lost.length }
  })

const unrecorded = (answers: ReadonlyArray<AnsweredRun>) =>
  Effect.gen(function* () {
    const settings = yield* EngineConfig
    const { wall } = yield* now
    return yield* Effect.forEach(answers, (answer) =>
      Effect.map(retryOf(answer, settings), (retry) => ({
        answer,
        settlement: { ...settlementOf(answer, settings, wall), ...retry }
      }))
    )
  })

const settlementOf = (
  { outcome, run }: AnsweredRun,
  { runningGuardMs }: EngineConfig["Type"],
  at: number
): Settlement => {
  const health = signalOf(run, outcome, at)
  return {
    run_id: run.run_id,
    lease_token: run.lease_token,
    outcome: outcomeName[outcome._tag],
    ...(outcome.httpStatus === null ? {} : { http_status: outcome.httpStatus }),
    ...("code" in outcome
      ? {
          error_code: jsonbSafeText(outcome.code, 200),
          error_message: jsonbSafeText(outcome.message, 2048)
        }
      : {}),
    ...("response" in outcome ? { response: jsonbSafe(outcome.response) } : {}),
    ...(outcome._tag === "Accepted" ? { lease_seconds: runningGuardMs / 1000 } : {}),
    ...(health === null ? {} : { health })
  }
}

/** Returns the wait before the next attempt, if the run may be retried. */
const retryOf = (
  { outcome, run: { attempt } }: AnsweredRun,
  { retryBaseMs: baseMs, retryCapMs: capMs }: EngineConfig["Type"]
): Effect.Effect<Pick<Settlement, "retry_in_ms">> => {
  if (outcome._tag !== "NotExecuted") return Effect.succeed({})
  if (outcome === staleStart) return Effect.succeed({ retry_in_ms: 0 })
  const { retryAfterMs } = outcome
  return Effect.map(Random.next, (random) => ({
    retry_in_ms: retryDelay({ attempt, retryAfterMs, random, baseMs, capMs })
  }))
}

const reportOf = (answer: AnsweredRun, settled: Option.Option<Settled>): RunReport => {
  const { answered, claimed, outcome, run, sent } = answer
  const status: RunStatus = Option.match(settled, {
    onNone: () => "running",
    onSome: (one) => one.status ?? "unknown"
  })
  const retryAt = Option.getOrNull(settled)?.retry_at ?? null
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
    duration_ms: answered.wall - sent.wall,
    cold_start: claimed.contact?.cold_start ?? false,
    http_status: outcome.httpStatus,
    ...(error === null || status === "completed"
      ? {}
      : { error: retryAt === null ? error : { ...error, retry_at: retryAt } })
  }
}

const errorOf = (outcome: Outcome, settled: Option.Option<Settled>) => {
  if (Option.isNone(settled)) {
    return {
      code: "OUTCOME_NOT_RECORDED",
      message: `The function's outcome (${outcome._tag}) could not be recorded; the run is handled when its lease ends.`
    }
  }
  const { detail, reason } = settled.value
  if (reason === "rejected") {
    return {
      code: "OUTCOME_NOT_RECORDED",
      message: `The database rejects the function's outcome (${outcome._tag}): ${detail ?? "no reason given"}`
    }
  }
  return "code" in outcome ? { code: outcome.code, message: outcome.message } : null
}
