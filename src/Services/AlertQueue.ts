import { Context, type Effect } from "effect"
import type { AlertBatch, Delivery } from "../Domain/Alert.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/** The incidents whose opening or closing has not been reported yet. */
export class AlertQueue extends Context.Tag("@sync-scheduler/AlertQueue")<
  AlertQueue,
  {
    /** Claims pending alerts. *Guarantees*: no other engine receives these alerts for 60 s. */
    readonly take: Effect.Effect<AlertBatch, SupabaseError>
    /** Records the result of each delivery. A failed alert is retried with increasing delays, and finally abandoned. */
    readonly mark: (
      deliveries: ReadonlyArray<Delivery>
    ) => Effect.Effect<
      { readonly sent: number; readonly failed: number; readonly gave_up: number },
      SupabaseError
    >
  }
>() {}
