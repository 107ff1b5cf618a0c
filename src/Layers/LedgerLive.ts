import { Array as Arr, Clock, Effect, Either, Layer, Schema } from "effect"
import { EngineConfig } from "../Config.ts"
import { readBackfills } from "../Database/HistoryRpc.ts"
import { openTickArguments } from "../Database/OpenTick.ts"
import { readRows } from "../Database/ReadRows.ts"
import { isAway, retryFor } from "../Database/RetryPolicy.ts"
import * as Rpc from "../Database/Rpc.ts"
import { decodeAnswer } from "../Database/RpcCall.ts"
import { readSchema } from "../Database/SchemaVersion.ts"
import * as TickRpc from "../Database/TickRpc.ts"
import { Backfill } from "../Domain/BackfillPlan.ts"
import { isContended, sendTogether } from "../Domain/Batch.ts"
import { measureSkew } from "../Domain/ClockSkew.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { apiOf } from "../Domain/Health/ApiHost.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { DueIntegration } from "../Domain/Integration.ts"
import { Run } from "../Domain/Run.ts"
import { traced } from "../Domain/Tracing.ts"
import {
  type DuePage,
  Ledger,
  type Scope,
  type Start,
  type StartRequest,
  type Work
} from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"

/** The maximum number of rows per page, and of outcomes per call. The SQL functions enforce the same limit. */
const PAGE = 100
/** The time limit for retries of a call that starts no run, in milliseconds. */
const RETRY_WITHIN_MS = 10_000
/** The time limit for retries of a start, in milliseconds. No invocation is sent more than 20 s after its start was requested. */
const START_WITHIN_MS = 15_000
/** How long to wait before another attempt to start a run whose row is locked, in milliseconds. */
const LOCKED_RETRY_MS = 1_000

const decodeDue = Schema.decodeUnknownEither(DueIntegration)
const decodeBackfill = Schema.decodeUnknownEither(Backfill)
const decodeRun = Schema.decodeUnknownEither(Run)
const decodeStart = Schema.decodeUnknownEither(Rpc.RunStart)

/** Decodes the due integrations. Integrations that the database rejected count as unreadable. */
const readDueRows = (answer: {
  readonly now: number
  readonly integrations: ReadonlyArray<unknown>
  readonly rejected: ReadonlyArray<{ readonly integration_id: string; readonly detail: string }>
}): Omit<DuePage, "cursor"> => {
  const { readable, unreadable } = readRows(answer.integrations, decodeDue)
  const rejected = answer.rejected.map(({ detail, integration_id: id }) => ({ id, detail }))
  return { now: answer.now, due: readable, unreadable: [...unreadable, ...rejected] }
}

const readWork = (
  answer: Parameters<typeof readDueRows>[0] & {
    readonly pending: ReadonlyArray<unknown>
    readonly more: boolean
  }
): Work => {
  const due = readDueRows(answer)
  const { readable, unreadable } = readRows(answer.pending, decodeRun)
  return {
    ...due,
    pending: readable,
    unreadable: [...due.unreadable, ...unreadable],
    more: answer.more
  }
}

const scopeArguments = ({ integrationIds, orgId }: Scope) => ({
  p_org_id: orgId,
  p_integration_ids: integrationIds
})

const apiArguments = (run: Run) => {
  const api = apiOf(run)
  return api === null ? {} : { api_provider: api.provider, api_host: api.host }
}

export const layer: Layer.Layer<Ledger, never, Supabase | EngineConfig> = Layer.effect(
  Ledger,
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const settings = yield* EngineConfig
    const adoptAfter = settings.adoptAfterMs / 1000
    const quiescence = settings.quiescenceMs / 1000
    const driftAlert = settings.driftAlertMs / 1000

    const callWithRetry = <A, R>(rpc: Rpc.Rpc<A, R>, args: A) =>
      supabase.call(rpc, args).pipe(retryFor(RETRY_WITHIN_MS))

    const sendStarts = (requests: ReadonlyArray<StartRequest>) =>
      Effect.map(
        supabase.call(Rpc.startRuns, {
          p_engine_id: settings.engineId,
          p_starts: requests.map(
            ({ contact: { cold_start, warm_up_ms }, leaseMs, leaseToken, run }) => ({
              run_id: run.run_id,
              lease_token: leaseToken,
              lease_seconds: leaseMs / 1000,
              ...(warm_up_ms === null ? {} : { cold_start, warm_up_ms }),
              ...apiArguments(run)
            })
          ),
          p_adopt_after_seconds: adoptAfter,
          p_drift_alert_seconds: driftAlert
        }),
        (answer) => {
          const starts = Arr.getRights(answer.started.map((row) => decodeStart(row)))
          const started = new Map(starts.map((start) => [start.run_id, start]))
          const refused = new Map(answer.skipped.map((skip) => [skip.run_id, skip]))
          return requests.map(({ run }): Start | undefined => {
            const { run_id } = run
            const start = started.get(run_id)
            // The answer contains no lease token. If a batch contains two starts of the same run, only the first one counts as
            // started.
            if (started.delete(run_id) && start !== undefined) {
              return {
                _tag: "Started",
                run: { ...run, ...start, status: "running", claimed_by: settings.engineId }
              }
            }
            const refusal = refused.get(run_id)
            if (refusal === undefined) return undefined
            const { detail, reason, retry_at } = refusal
            const retryInMs = retry_at === undefined ? null : Math.max(retry_at - answer.now, 0)
            return { _tag: "NotStarted", reason, detail, retryInMs }
          })
        }
      )

    const sendSettlements = (settlements: ReadonlyArray<Rpc.Settlement>) =>
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

    return Ledger.of({
      openTick: Effect.fnUntraced(function* (tickId, { limit, scope }, options) {
        const { firstAttempt, waitMs, wakeWithinMs } = options
        const args = openTickArguments({ ...settings, ...scope, tickId, limit, wakeWithinMs })
        // Measures the clock skew within a single attempt, so that database downtime does not count as skew.
        const ask = Effect.gen(function* () {
          const askedAt = yield* Clock.currentTimeMillis
          const answer = yield* supabase.call(TickRpc.openTick, args)
          return { answer, skew: measureSkew(askedAt, yield* Clock.currentTimeMillis, answer.now) }
        })
        let earlier = firstAttempt
        const attempt = Effect.suspend(() => {
          if (earlier === undefined) return ask
          const { answer, answeredAt, askedAt } = earlier
          earlier = undefined
          return Effect.flatMap(answer, (raw) => decodeAnswer(TickRpc.openTick, raw)).pipe(
            Effect.map((read) => ({
              answer: read,
              skew: measureSkew(askedAt, answeredAt, read.now)
            }))
          )
        })
        const beganAt = firstAttempt?.askedAt ?? (yield* Clock.currentTimeMillis)
        // PostgREST returns PGRST002 for up to 32 s after the database is available again.
        const waitOn = (error: SupabaseError) =>
          Effect.gen(function* () {
            const leftMs = beganAt + waitMs - (yield* Clock.currentTimeMillis)
            if (leftMs <= 0) return yield* error
            const seconds = Math.round(leftMs / 1000)
            yield* Effect.logWarning(
              `Waiting another ${seconds} s for the database: ${error.detail}`
            )
            return yield* attempt.pipe(retryFor(leftMs))
          })
        const { answer, skew } = yield* attempt.pipe(
          retryFor(Math.min(waitMs, RETRY_WITHIN_MS)),
          Effect.catchIf(isAway, waitOn)
        )
        return {
          ...readWork(answer),
          schemaVersion: answer.schema_version,
          skew,
          isSkewOpen: answer.clock_skew_open,
          idle: answer.idle,
          hasSeveralOrganisations: answer.several_organisations,
          backfills: answer.backfills,
          warmUps: answer.warm_ups.map((upcoming) => upcoming.function_name)
        }
      }, traced("Ledger.openTick")),
      fetch: Effect.fnUntraced(function* ({ excludedIds, excludedOrgs, limit, scope }) {
        const token = (yield* IdGenerator).next()
        const answer = yield* callWithRetry(TickRpc.fetchWork, {
          p_engine_id: settings.engineId,
          p_fetch_token: token,
          p_limit: limit,
          p_options: {
            adopt_after_seconds: adoptAfter,
            drift_alert_seconds: driftAlert,
            org_id: scope.orgId,
            integration_ids: scope.integrationIds,
            exclude_org_ids: excludedOrgs,
            exclude_ids: excludedIds
          }
        })
        return readWork(answer)
      }, traced("Ledger.fetch")),
      readSchema: callWithRetry(readSchema, {}).pipe(
        Effect.map((answer) => ({
          version: answer.schema_version,
          enginesFrom: answer.engines_from
        })),
        traced("Ledger.readSchema")
      ),
      readDue: Effect.fnUntraced(function* (cursor, scope) {
        const answer = yield* callWithRetry(Rpc.readDue, {
          p_limit: PAGE,
          p_cursor: cursor ?? undefined,
          ...scopeArguments(scope)
        })
        return { ...readDueRows(answer), cursor: answer.cursor }
      }, traced("Ledger.readDue")),
      readBackfills: Effect.fnUntraced(function* (scope) {
        const answer = yield* callWithRetry(readBackfills, {
          p_limit: PAGE,
          ...scopeArguments(scope)
        })
        const { readable, unreadable } = readRows(answer.backfills, decodeBackfill)
        return { now: answer.now, backfills: readable, unreadable }
      }, traced("Ledger.readBackfills")),
      readPending: Effect.fnUntraced(function* (scope) {
        const rows = yield* callWithRetry(Rpc.readPending, {
          p_engine_id: settings.engineId,
          p_limit: PAGE,
          p_adopt_after_seconds: adoptAfter,
          ...scopeArguments(scope)
        })
        return Arr.getRights(rows.map((row) => decodeRun(row)))
      }, traced("Ledger.readPending")),
      start: Effect.fnUntraced(function* (requests) {
        const send = sendTogether(Rpc.startRuns.name, (batch: ReadonlyArray<StartRequest>) =>
          // A locked row must not delay the batch's other rows.
          sendStarts(batch).pipe(
            Effect.map(Either.right),
            Effect.catchIf(isContended, (error) => Effect.succeed(Either.left(error))),
            retryFor(START_WITHIN_MS),
            Effect.flatten
          )
        )
        const answers = yield* send(requests)
        return answers.map(
          Either.match({
            onLeft: (error): Start =>
              isContended(error)
                ? { _tag: "NotStarted", reason: "locked", retryInMs: LOCKED_RETRY_MS }
                : { _tag: "Unconfirmed", error },
            onRight: (start) => start
          })
        )
      }, traced("Ledger.start")),
      revertStarts: Effect.fnUntraced(function* (starts) {
        const answer = yield* callWithRetry(Rpc.revertStarts, {
          p_engine_id: settings.engineId,
          p_starts: starts.map(({ leaseToken, runId }) => ({
            run_id: runId,
            lease_token: leaseToken
          }))
        })
        return new Set(answer.returned)
      }, traced("Ledger.revertStarts")),
      settle: (settlements) =>
        Effect.forEach(
          Arr.chunksOf(settlements, PAGE),
          sendTogether(Rpc.settleRuns.name, sendSettlements),
          { concurrency: "unbounded" }
        ).pipe(Effect.map(Arr.flatten), traced("Ledger.settle")),
      release: Effect.fnUntraced(function* (runIds) {
        if (runIds.length === 0) return
        yield* callWithRetry(Rpc.releaseClaims, {
          p_engine_id: settings.engineId,
          p_run_ids: runIds
        })
      }, traced("Ledger.release")),
      finishTick: Effect.fnUntraced(function* (tickId, summary, clockSkewMs) {
        yield* callWithRetry(TickRpc.finishTick, {
          p_tick_id: tickId,
          p_engine_id: settings.engineId,
          p_summary: summary,
          p_clock_skew_ms: clockSkewMs === null ? null : Math.round(clockSkewMs)
        })
      }, traced("Ledger.finishTick"))
    })
  })
)
