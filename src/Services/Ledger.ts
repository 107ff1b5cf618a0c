import { Context, type Effect } from "effect"
import type { Backfill } from "../Domain/Backfill.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { DueIntegration } from "../Domain/Integration.ts"
import type { Settled, Settlement } from "../Domain/Rpc.ts"
import type { Run } from "../Domain/Run.ts"
import type { DatabaseSchema } from "../Domain/SchemaVersion.ts"

/** Which part of the project a tick looks at; everything when empty. */
export interface Scope {
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
}

/** A row that could not be read. It is reported and left alone; the others are not touched by it. */
export interface Unreadable {
  readonly id: string
  readonly detail: string
}

/** A page of due integrations, oldest slot first. `cursor` null: it was the last page. */
export interface DuePage {
  /** The database clock, epoch milliseconds: the only clock that decides what is due. */
  readonly now: number
  readonly due: ReadonlyArray<DueIntegration>
  readonly unreadable: ReadonlyArray<Unreadable>
  readonly cursor: string | null
}

/** How a tick begins: swept, with what waits to be started and the first page of what is due. */
export interface OpenedTick extends DuePage {
  readonly schemaVersion: string
  /** Nothing waits and nothing is due: the tick is recorded as finished already. */
  readonly idle: boolean
  readonly pending: ReadonlyArray<Run>
  /** Somebody asked for slots of the past, and there may be one to run. */
  readonly backfills: boolean
  /** Functions to wake for slots that come within the next minute; null is the default function. */
  readonly warmUps: ReadonlyArray<string | null>
}

/** How the function's first contact of the tick went, recorded with the run that made it. */
export interface FirstContact {
  readonly cold_start: boolean
  /** Milliseconds; null: this run made no first contact. */
  readonly warm_up_ms: number | null
}

/**
 * Whether a pending run is now ours and running. `reason`: lost_race, disabled, not_before, claimed_by_another, gone;
 * api_throttled, api_limit: its accounting API is to be spared, and `retryInMs` is how long to wait before asking again.
 */
export type Start =
  | { readonly _tag: "Started"; readonly run: Run }
  | { readonly _tag: "NotStarted"; readonly reason: string; readonly retryInMs: number | null }

/**
 * The run log and the schedule, as the engine uses them. Every call is safe to repeat; LedgerLive does so, with the
 * same token, for as long as the answer can still be used.
 */
export class Ledger extends Context.Tag("@sync-scheduler/Ledger")<
  Ledger,
  {
    /**
     * Sweeps what dead engines left, records the tick, and reads what there is to do. `wakeWithinMs`: how far ahead it
     * names functions to wake for slots to come; a minute when left out.
     */
    readonly openTick: (
      tickId: string,
      scope: Scope,
      wakeWithinMs?: number
    ) => Effect.Effect<OpenedTick, SupabaseError>
    /** What the database says about its schema. Reads only. */
    readonly readSchema: Effect.Effect<DatabaseSchema, SupabaseError>
    /** The page after `cursor`, null for the first, of at most `limit` (1 to 100) integrations. Reads only. */
    readonly readDue: (
      cursor: string | null,
      scope: Scope,
      limit: number
    ) => Effect.Effect<DuePage, SupabaseError>
    /** Up to 100 requests for slots of the past that can go on now, one for an integration, oldest first. Reads only. */
    readonly readBackfills: (scope: Scope) => Effect.Effect<
      {
        readonly now: number
        readonly backfills: ReadonlyArray<Backfill>
        readonly unreadable: ReadonlyArray<Unreadable>
      },
      SupabaseError
    >
    /** Up to 100 runs that any engine may start now, without the ones in `exclude`. Reads only. */
    readonly readPending: (
      scope: Scope,
      exclude: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Run>, SupabaseError>
    /**
     * pending -> running, before anything is sent. *Guarantees*: answers Started only when the start is committed and
     * the lease is ours. *Fails with* SupabaseError when that could not be confirmed; then nothing may be sent.
     */
    readonly start: (
      run: Run,
      leaseToken: string,
      leaseMs: number,
      contact: FirstContact
    ) => Effect.Effect<Start, SupabaseError>
    /**
     * Takes back a start of which nothing was sent: the run is pending again, and the attempt does not count. Answers
     * whether it was; not when its function began all the same.
     */
    readonly unstart: (runId: string, leaseToken: string) => Effect.Effect<boolean, SupabaseError>
    /** Records what came of an attempt, repeated for at most `withinMs`; answers how the ledger stands. */
    readonly settle: (
      settlement: Settlement,
      withinMs: number
    ) => Effect.Effect<Settled, SupabaseError>
    /** Gives claimed runs that were not started back to every engine. */
    readonly release: (runIds: ReadonlyArray<string>) => Effect.Effect<void, SupabaseError>
    /** Records the summary (JSON) of a tick that found something. */
    readonly finishTick: (
      tickId: string,
      summary: unknown,
      clockSkewMs: number
    ) => Effect.Effect<void, SupabaseError>
  }
>() {}
