import { Context, type Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { Slot } from "../Domain/Integration.ts"
import type { Run } from "../Domain/Run.ts"

/** A slot that was not claimed. `reason`: locked, already_running, already_recorded, lost_race, disabled, ... */
export interface Skip {
  readonly org_id: string
  readonly integration_id: string
  readonly scheduled_for: number | null
  readonly reason: string
  /** Why the database rejected the slot, if `reason` is `rejected`. */
  readonly detail?: string
}

/** The result of a batch of claims. A slot is missing from both lists if its integration only advanced to the next slot. */
export interface Claims {
  readonly claimed: ReadonlyArray<Run>
  readonly skipped: ReadonlyArray<Skip>
}

/**
 * Claims slots in one call, because supabase-js cannot keep a lock across calls. One transaction takes the advisory lock, inserts
 * the pending row and advances the schedule.
 */
export class Lock extends Context.Tag("@sync-scheduler/Lock")<
  Lock,
  {
    /**
     * Claims at most 100 slots.
     * *Fails with* SupabaseError if the claim could not be confirmed, even after retries.
     * *Guarantees*: at most one engine ever claims a slot.
     */
    readonly claim: (slots: ReadonlyArray<Slot>) => Effect.Effect<Claims, SupabaseError>
  }
>() {}
