import { Effect, Either, Layer, Option, type ParseResult, Schema } from "effect"
import { EngineConfig } from "../Config.ts"
import { apiOf } from "../Domain/ApiHost.ts"
import { Backfill } from "../Domain/Backfill.ts"
import { readBackfills } from "../Domain/HistoryRpc.ts"
import { DueIntegration } from "../Domain/Integration.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import { returnStarts } from "../Domain/ReturnRpc.ts"
import * as Rpc from "../Domain/Rpc.ts"
import { Run } from "../Domain/Run.ts"
import { readSchema } from "../Domain/SchemaVersion.ts"
import { traced } from "../Domain/Tracing.ts"
import {
  type DuePage,
  type FirstContact,
  Ledger,
  type Scope,
  type Start,
  type Unreadable
} from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"
import { VERSION } from "../Version.ts"
import { makeCombiner } from "./Combiner.ts"

/** The most rows a page holds and a batch carries; the SQL functions enforce the same. */
const PAGE = 100
/** How long a read is tried again before the tick goes without it. */
const READ_WITHIN_MS = 10_000
/** A start that is not confirmed by then may not be used anyhow: nothing is sent 20 s after it was requested. */
const START_WITHIN_MS = 15_000
/** Pauses between batches of starts, and of outcomes: those keep nobody waiting. */
const START_PAUSE_MS = 4
const SETTLE_PAUSE_MS = 10

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

const apiArguments = (run: Run) => {
  const api = apiOf(run)
  return api === null ? {} : { api_provider: api.provider, api_host: api.host }
}

/** The ledger over the SQL functions, whatever mechanism carries the calls. */
export const layer: Layer.Layer<Ledger, never, Supabase | EngineConfig> = Layer.scoped(
  Ledger,
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const settings = yield* EngineConfig
    const adoptAfter = settings.adoptAfterMs / 1000
    const quiescence = settings.quiescenceMs / 1000

    const start = yield* makeCombiner<
      FirstContact & {
        readonly run_id: string
        readonly lease_token: string
        readonly lease_seconds: number
        readonly api_provider?: string
        readonly api_host?: string
      },
      Start
    >({
      operation: Rpc.startRuns.name,
      most: PAGE,
      pauseMs: START_PAUSE_MS,
      send: (starts) =>
        Effect.map(
          supabase.call(Rpc.startRuns, {
            p_engine_id: settings.engineId,
            p_starts: starts,
            p_adopt_after_seconds: adoptAfter,
            p_drift_alert_seconds: settings.driftAlertMs / 1000
          }),
          (answer) => {
            const started = new Map(readRuns(answer.started).map((run) => [run.run_id, run]))
            const refused = new Map(answer.skipped.map((skip) => [skip.run_id, skip]))
            return starts.map(({ run_id }): Start | undefined => {
              const run = started.get(run_id)
              if (run !== undefined) return { _tag: "Started", run }
              const refusal = refused.get(run_id)
              if (refusal === undefined) return undefined
              const { reason, retry_at } = refusal
              const retryInMs = retry_at === undefined ? null : Math.max(retry_at - answer.now, 0)
              return { _tag: "NotStarted", reason, retryInMs }
            })
          }
        )
    })

    const settle = yield* makeCombiner<Rpc.Settlement, Rpc.Settled>({
      operation: Rpc.settleRuns.name,
      most: PAGE,
      pauseMs: SETTLE_PAUSE_MS,
      send: (settlements) =>
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
        )
    })

    return Ledger.of({
      openTick: Effect.fn("Ledger.openTick")(function* (tickId, scope, wakeWithinMs) {
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
              integration_ids: scope.integrationIds,
              warm_up_within_seconds: wakeWithinMs === undefined ? undefined : wakeWithinMs / 1000
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
      readSchema: supabase.call(readSchema, {}).pipe(
        repeatFor(READ_WITHIN_MS),
        Effect.map((answer) => ({
          version: answer.schema_version,
          enginesFrom: answer.engines_from
        })),
        Effect.withSpan("Ledger.readSchema", { captureStackTrace: false })
      ),
      readDue: Effect.fn("Ledger.readDue")(function* (cursor, scope, limit) {
        const answer = yield* supabase
          .call(Rpc.readDue, {
            p_limit: limit,
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
      start: (run, leaseToken, leaseMs, contact) =>
        start({
          run_id: run.run_id,
          lease_token: leaseToken,
          lease_seconds: leaseMs / 1000,
          ...contact,
          ...apiArguments(run)
        }).pipe(repeatFor(START_WITHIN_MS), traced("Ledger.start")),
      unstart: Effect.fn("Ledger.unstart")(function* (runId, leaseToken) {
        const answer = yield* supabase
          .call(returnStarts, {
            p_engine_id: settings.engineId,
            p_starts: [{ run_id: runId, lease_token: leaseToken }]
          })
          .pipe(repeatFor(READ_WITHIN_MS))
        return answer.returned.includes(runId)
      }),
      settle: (settlement, withinMs) =>
        settle(settlement).pipe(repeatFor(withinMs), traced("Ledger.settle")),
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
