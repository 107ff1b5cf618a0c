import { Context, type Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { Slot } from "../Domain/Integration.ts"
import type { Run } from "../Domain/Run.ts"

/** A slot that was not claimed, and the reason: locked, already_running, already_recorded, lost_race, disabled, ... */
export interface Skip {
  readonly org_id: string
  readonly integration_id: string
  readonly scheduled_for: number | null
  readonly reason: string
  /** The database's reason for rejecting the slot, if `reason` is `rejected`. */
  readonly detail?: string
}

/** The result of a batch of claims. Every slot is in one of the lists, unless its integration only advanced to the next slot. */
export interface Claims {
  readonly claimed: ReadonlyArray<Run>
  readonly skipped: ReadonlyArray<Skip>
}

/**
 * Claims slots in one call. The advisory lock, the insert of the pending row and the advance of the schedule share one transaction.
 * supabase-js cannot hold a lock across calls, so the lock lasts only for this call.
 */
export class Lock extends Context.Tag("@sync-scheduler/Lock")<
  Lock,
  {
    /**
     * Claims at most 100 slots. *Fails with* SupabaseError if the claim could not be confirmed, even after retries with the same
     * claim token. *Guarantees*: at most one engine ever claims a slot.
     */
    readonly claim: (slots: ReadonlyArray<Slot>) => Effect.Effect<Claims, SupabaseError>
  }
>() {}
