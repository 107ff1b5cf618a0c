import {
  Cause,
  Deferred,
  Effect,
  Either,
  Exit,
  Layer,
  type Scope as Lifetime,
  Option,
  type ParseResult,
  Queue,
  Schema
} from "effect"
import { EngineConfig } from "../Config.ts"
import { Backfill } from "../Domain/Backfill.ts"
import { SupabaseError } from "../Domain/Errors.ts"
import { readBackfills } from "../Domain/HistoryRpc.ts"
import { DueIntegration } from "../Domain/Integration.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import * as Rpc from "../Domain/Rpc.ts"
import { Run } from "../Domain/Run.ts"
import {
  type DuePage,
  Ledger,
  type Scope,
  type Start,
  type Unreadable
} from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"
import { VERSION } from "../Version.ts"

/** The most rows a page holds and a batch carries; the SQL functions enforce the same. */
const PAGE = 100
/** How long a read is tried again before the tick goes without it. */
const READ_WITHIN_MS = 10_000
/** A start that is not confirmed by then may not be used anyhow: nothing is sent 20 s after it was requested. */
const START_WITHIN_MS = 15_000

const decodeDue = Schema.decodeUnknownEither(DueIntegration)
const decodeBackfill = Schema.decodeUnknownEither(Backfill)
const decodeRun = Schema.decodeUnknownEither(Run)
const decodeId = Schema.decodeUnknownOption(Schema.Struct({ integration_id: Schema.String }))

/** Rows decoded one by one, so that an unreadable one is named and the others go on. */
const readRows = <A>(
  rows: ReadonlyArray<unknown>,
  decode: (row: unknown) => Either.Either<A, ParseResult.ParseError>
): { readonly readable: ReadonlyArray<A>; readonly unreadable: ReadonlyArray<Unreadable> } => {
  const readable: Array<A> = []
  const unreadable: Array<Unreadable> = []
  for (const row of rows) {
    Either.match(decode(row), {
      onLeft: (error) =>
        unreadable.push({
          id: Option.match(decodeId(row), { onNone: () => "?", onSome: (r) => r.integration_id }),
          detail: error.message.slice(0, 500)
        }),
      onRight: (one) => readable.push(one)
    })
  }
  return { readable, unreadable }
}

const readPage = (answer: {
  readonly now: number
  readonly integrations: ReadonlyArray<unknown>
  readonly cursor: string | null
}): DuePage => {
  const { readable, unreadable } = readRows(answer.integrations, decodeDue)
  return { now: answer.now, due: readable, unreadable, cursor: answer.cursor }
}

const readRuns = (rows: ReadonlyArray<unknown>): ReadonlyArray<Run> =>
  rows.flatMap((row) => Either.match(decodeRun(row), { onLeft: () => [], onRight: (run) => [run] }))

const scopeArguments = (scope: Scope) => ({
  ...(scope.orgId === undefined ? {} : { p_org_id: scope.orgId }),
  ...(scope.integrationIds === undefined ? {} : { p_integration_ids: scope.integrationIds })
})

const isRejected = (exit: Exit.Exit<unknown, SupabaseError>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.failureOption(exit.cause), (error) => error.reason === "Rejected")

/** At most one item of each run, in turn: answers name the run, so two of one run could not be told apart. */
const inRounds = <Waiting extends { readonly item: { readonly run_id: string } }>(
  batch: ReadonlyArray<Waiting>
): ReadonlyArray<ReadonlyArray<Waiting>> => {
  const rounds: Array<Array<Waiting>> = []
  const counts = new Map<string, number>()
  for (const waiting of batch) {
    const { run_id } = waiting.item
    const round = counts.get(run_id) ?? 0
    counts.set(run_id, round + 1)
    const others = rounds[round]
    if (others === undefined) rounds.push([waiting])
    else others.push(waiting)
  }
  return rounds
}

/**
 * Puts calls that happen together into one batch: what arrives while a batch is under way makes the next one. One
 * batch at a time, at most 100 items, of each run at most one. `send` answers one result per item, in order.
 */
const makeCombiner = <In extends { readonly run_id: string }, Out>(
  send: (batch: ReadonlyArray<In>) => Effect.Effect<ReadonlyArray<Out | undefined>, SupabaseError>,
  operation: string
): Effect.Effect<(item: In) => Effect.Effect<Out, SupabaseError>, never, Lifetime.Scope> =>
  Effect.gen(function* () {
    interface Waiting {
      readonly item: In
      readonly answer: Deferred.Deferred<Out, SupabaseError>
    }
    const queue = yield* Queue.unbounded<Waiting>()
    const missing = new SupabaseError({
      operation,
      reason: "Malformed",
      code: "ITEM",
      detail: "the answer does not mention this run"
    })
    const sendTogether = (items: ReadonlyArray<In>) =>
      Effect.exit(send(items)).pipe(
        Effect.map((exit) =>
          items.map((_, index) =>
            Exit.flatMap(exit, (answers) => {
              const answer = answers[index]
              return answer === undefined ? Exit.fail(missing) : Exit.succeed(answer)
            })
          )
        )
      )
    // What the database refuses to take in may be the fault of one item only: the others are sent without it.
    const sendApart = (items: ReadonlyArray<In>) =>
      Effect.flatMap(sendTogether(items), (exits) =>
        items.length > 1 && exits.every(isRejected)
          ? Effect.map(
              Effect.forEach(items, (item) => sendTogether([item])),
              (each) => each.flat()
            )
          : Effect.succeed(exits)
      )
    yield* Queue.take(queue).pipe(
      // Whoever asks in the same turn comes along.
      Effect.zipLeft(Effect.yieldNow()),
      Effect.zipWith(Queue.takeUpTo(queue, PAGE - 1), (first, rest) => [first, ...rest]),
      Effect.flatMap((batch) =>
        Effect.forEach(inRounds(batch), (round) =>
          sendApart(round.map((waiting) => waiting.item)).pipe(
            Effect.flatMap((exits) =>
              Effect.forEach(round, (waiting, index) =>
                Deferred.done(waiting.answer, exits[index] ?? Exit.fail(missing))
              )
            )
          )
        )
      ),
      Effect.forever,
      Effect.forkScoped
    )
    return (item) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<Out, SupabaseError>()
        yield* Queue.offer(queue, { item, answer })
        return yield* Deferred.await(answer)
      })
  })

/** The ledger over the SQL functions, whatever mechanism carries the calls. */
export const layer: Layer.Layer<Ledger, never, Supabase | EngineConfig> = Layer.scoped(
  Ledger,
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const settings = yield* EngineConfig
    const adoptAfter = settings.adoptAfterMs / 1000
    const quiescence = settings.quiescenceMs / 1000

    const start = yield* makeCombiner<
      { readonly run_id: string; readonly lease_token: string; readonly lease_seconds: number },
      Start
    >(
      (starts) =>
        Effect.map(
          supabase.call(Rpc.startRuns, {
            p_engine_id: settings.engineId,
            p_starts: starts,
            p_adopt_after_seconds: adoptAfter,
            p_drift_alert_seconds: settings.driftAlertMs / 1000
          }),
          (answer) => {
            const started = new Map(readRuns(answer.started).map((run) => [run.run_id, run]))
            const refused = new Map(answer.skipped.map((skip) => [skip.run_id, skip.reason]))
            return starts.map(({ run_id }): Start | undefined => {
              const run = started.get(run_id)
              const reason = refused.get(run_id)
              if (run !== undefined) return { _tag: "Started", run }
              return reason === undefined ? undefined : { _tag: "NotStarted", reason }
            })
          }
        ),
      Rpc.startRuns.name
    )

    const settle = yield* makeCombiner<Rpc.Settlement, Rpc.Settled>(
      (settlements) =>
        Effect.map(
          supabase.call(Rpc.settleRuns, {
            p_engine_id: settings.engineId,
            p_settlements: settlements,
            p_quiescence_seconds: quiescence
          }),
          (answer) => {
            const settled = new Map(answer.settled.map((one) => [one.run_id, one]))
            return settlements.map(({ run_id }) => settled.get(run_id))
          }
        ),
      Rpc.settleRuns.name
    )

    return Ledger.of({
      openTick: Effect.fn("Ledger.openTick")(function* (tickId, scope) {
        const answer = yield* supabase
          .call(Rpc.openTick, {
            p_tick_id: tickId,
            p_engine_id: settings.engineId,
            p_options: {
              engine_version: VERSION,
              adopt_after_seconds: adoptAfter,
              quiescence_seconds: quiescence,
              running_guard_seconds: settings.runningGuardMs / 1000,
              limit: PAGE,
              org_id: scope.orgId,
              integration_ids: scope.integrationIds
            }
          })
          .pipe(repeatFor(READ_WITHIN_MS))
        return {
          ...readPage(answer),
          schemaVersion: answer.schema_version,
          idle: answer.idle,
          pending: readRuns(answer.pending),
          backfills: answer.backfills,
          warmUps: answer.warm_ups.map((upcoming) => upcoming.function_name)
        }
      }),
      readDue: Effect.fn("Ledger.readDue")(function* (cursor, scope) {
        const answer = yield* supabase
          .call(Rpc.readDue, {
            p_limit: PAGE,
            ...(cursor === null ? {} : { p_cursor: cursor }),
            ...scopeArguments(scope)
          })
          .pipe(repeatFor(READ_WITHIN_MS))
        return readPage(answer)
      }),
      readBackfills: Effect.fn("Ledger.readBackfills")(function* (scope) {
        const answer = yield* supabase
          .call(readBackfills, { p_limit: PAGE, ...scopeArguments(scope) })
          .pipe(repeatFor(READ_WITHIN_MS))
        const { readable, unreadable } = readRows(answer.backfills, decodeBackfill)
        return { now: answer.now, backfills: readable, unreadable }
      }),
      readPending: Effect.fn("Ledger.readPending")(function* (scope, exclude) {
        const rows = yield* supabase
          .call(Rpc.readPending, {
            p_engine_id: settings.engineId,
            p_limit: PAGE,
            p_adopt_after_seconds: adoptAfter,
            p_exclude: exclude,
            ...scopeArguments(scope)
          })
          .pipe(repeatFor(READ_WITHIN_MS))
        return readRuns(rows)
      }),
      start: (run, leaseToken, leaseMs) =>
        start({
          run_id: run.run_id,
          lease_token: leaseToken,
          lease_seconds: leaseMs / 1000
        }).pipe(repeatFor(START_WITHIN_MS), Effect.withSpan("Ledger.start")),
      settle: (settlement, withinMs) =>
        settle(settlement).pipe(repeatFor(withinMs), Effect.withSpan("Ledger.settle")),
      release: Effect.fn("Ledger.release")(function* (runIds) {
        if (runIds.length === 0) return
        yield* supabase
          .call(Rpc.releaseClaims, { p_engine_id: settings.engineId, p_run_ids: runIds })
          .pipe(repeatFor(READ_WITHIN_MS))
      }),
      finishTick: Effect.fn("Ledger.finishTick")(function* (tickId, summary, clockSkewMs) {
        yield* supabase
          .call(Rpc.finishTick, {
            p_tick_id: tickId,
            p_engine_id: settings.engineId,
            p_summary: summary,
            p_clock_skew_ms: Math.round(clockSkewMs)
          })
          .pipe(repeatFor(READ_WITHIN_MS))
      })
    })
  })
)
