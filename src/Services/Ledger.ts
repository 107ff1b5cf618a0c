import { Context, type Effect, type Either } from "effect"
import type { Settled, Settlement } from "../Database/Rpc.ts"
import type { DatabaseSchema } from "../Database/SchemaVersion.ts"
import type { Backfill } from "../Domain/BackfillPlan.ts"
import type { ClockSkew } from "../Domain/ClockSkew.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { DueIntegration } from "../Domain/Integration.ts"
import type { Run } from "../Domain/Run.ts"

/** The part of the project that a tick handles. An empty scope is the whole project. */
export interface Scope {
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
}

/** An integration whose row could not be read. Other rows are not affected. */
export interface UnreadableIntegration {
  readonly id: string
  readonly detail: string
}

/** A page of due integrations, oldest slot first. A null `cursor` marks the last page. */
export interface DuePage {
  /** The database's time, in epoch milliseconds. Only the database's clock decides what is due. */
  readonly now: number
  readonly due: ReadonlyArray<DueIntegration>
  readonly unreadable: ReadonlyArray<UnreadableIntegration>
  readonly cursor: string | null
}

/** Runs and integrations reserved for one engine for 15 s. */
export interface Work {
  readonly now: number
  readonly pending: ReadonlyArray<Run>
  readonly due: ReadonlyArray<DueIntegration>
  readonly unreadable: ReadonlyArray<UnreadableIntegration>
  readonly more: boolean
}

export interface WorkRequest {
  readonly scope: Scope
  /** The maximum combined number of runs and integrations, from 1 to 100. */
  readonly limit: number
  readonly excludedOrgs?: ReadonlyArray<string>
  readonly excludedIds?: ReadonlyArray<string>
}

/** The result of opening a tick, including the first batch of work. */
export interface OpenedTick extends Work {
  readonly schemaVersion: string
  /** The clock skew, measured during the successful attempt. */
  readonly skew: ClockSkew
  /** Whether an incident about this machine's clock is open. The incident closes when a tick with a correct clock is recorded. */
  readonly isSkewOpen: boolean
  /** Whether no run is waiting and no slot is due. An idle tick is recorded as finished when it is opened. */
  readonly idle: boolean
  readonly hasSeveralOrganisations: boolean
  readonly backfills: boolean
  /** Functions to warm up for future slots; null is the default function. */
  readonly warmUps: ReadonlyArray<string | null>
}

/** An attempt to open a tick before the engine was loaded. Instants are epoch milliseconds. */
export interface FirstAttempt {
  readonly askedAt: number
  readonly answeredAt: number
  readonly answer: Either.Either<unknown, SupabaseError>
}

export interface OpenOptions {
  /** The maximum wait for an unresponsive database, in milliseconds. */
  readonly waitMs: number
  /** The engine warms up the functions of slots that are due within this time, in milliseconds. Default: one minute. */
  readonly wakeWithinMs?: number | undefined
  readonly firstAttempt?: FirstAttempt | undefined
}

/** The result of a tick's first request to a function, recorded with the run that needed the function. */
export interface FirstContact {
  readonly cold_start: boolean
  /** The duration in milliseconds; null if the request was not made for this run. */
  readonly warm_up_ms: number | null
}

export interface StartRequest {
  readonly run: Run
  readonly leaseToken: string
  readonly leaseMs: number
  readonly contact: FirstContact
}

/**
 * - `Started`: the start is committed, and this engine has the lease.
 * - `NotStarted`: `reason` is lost_race, disabled, not_before, claimed_by_another, gone, rejected (`detail` says why),
 * api_throttled or api_limit. The last two mean that the accounting API must not be called yet; `retryInMs` is the wait before
 * the next attempt to start the run.
 * - `Unconfirmed`: the start might be committed, so nothing must be sent.
 */
export type Start =
  | { readonly _tag: "Started"; readonly run: Run }
  | {
      readonly _tag: "NotStarted"
      readonly reason: string
      readonly detail?: string | undefined
      readonly retryInMs: number | null
    }
  | { readonly _tag: "Unconfirmed"; readonly error: SupabaseError }

/** The run log and the schedules. Every call is safe to repeat, and is retried within a time limit. */
export class Ledger extends Context.Tag("@sync-scheduler/Ledger")<
  Ledger,
  {
    /** Sweeps the runs of dead engines, records the tick, and fetches up to `limit` runs and integrations. */
    readonly openTick: (
      tickId: string,
      request: WorkRequest,
      options: OpenOptions
    ) => Effect.Effect<OpenedTick, SupabaseError>
    /** Reserves pending runs and due integrations. Each organisation's oldest runs and slots come first. */
    readonly fetch: (request: WorkRequest) => Effect.Effect<Work, SupabaseError>
    readonly readSchema: Effect.Effect<DatabaseSchema, SupabaseError>
    /** Reads up to 100 integrations after `cursor` (null for the first page). */
    readonly readDue: (cursor: string | null, scope: Scope) => Effect.Effect<DuePage, SupabaseError>
    /** Reads up to 100 backfills that can continue, one per integration, oldest first. */
    readonly readBackfills: (scope: Scope) => Effect.Effect<
      {
        readonly now: number
        readonly backfills: ReadonlyArray<Backfill>
        readonly unreadable: ReadonlyArray<UnreadableIntegration>
      },
      SupabaseError
    >
    /** Reads up to 100 runs that any engine can start now. */
    readonly readPending: (scope: Scope) => Effect.Effect<ReadonlyArray<Run>, SupabaseError>
    /** Starts at most 100 runs (pending -> running) before they are invoked. Returns one result per request, in order. */
    readonly start: (requests: ReadonlyArray<StartRequest>) => Effect.Effect<ReadonlyArray<Start>>
    /**
     * Reverts the start of runs that were not invoked, unless the function has begun. A reverted start does not count as an
     * attempt. Returns the ids of the reverted runs.
     */
    readonly revertStarts: (
      starts: ReadonlyArray<{ readonly runId: string; readonly leaseToken: string }>
    ) => Effect.Effect<ReadonlySet<string>, SupabaseError>
    /** Records the outcomes of at most 100 attempts. Returns one result per settlement, in order. */
    readonly settle: (
      settlements: ReadonlyArray<Settlement>
    ) => Effect.Effect<ReadonlyArray<Either.Either<Settled, SupabaseError>>>
    /** Releases claimed runs, so that any engine can start them. */
    readonly release: (runIds: ReadonlyArray<string>) => Effect.Effect<void, SupabaseError>
    /** Records the JSON summary of a tick that found work. `clockSkewMs` is null if unknown. */
    readonly finishTick: (
      tickId: string,
      summary: unknown,
      clockSkewMs: number | null
    ) => Effect.Effect<void, SupabaseError>
  }
>() {}
