import { Context, type Effect } from "effect"
import type { AlertBatch, Delivery } from "../Domain/Alert.ts"
import type { SupabaseError } from "../Domain/Errors.ts"

/** Incidents whose opening or end is still to be told; they and all that is known of their sending are in the database. */
export class AlertQueue extends Context.Tag("@sync-scheduler/AlertQueue")<
  AlertQueue,
  {
    /** Claims what is to be told, for 60 s. *Guarantees*: no other engine gets it meanwhile. */
    readonly take: Effect.Effect<AlertBatch, SupabaseError>
    /** Records what became of it; what failed comes again, later and later, until it is given up. */
    readonly mark: (
      deliveries: ReadonlyArray<Delivery>
    ) => Effect.Effect<
      { readonly sent: number; readonly failed: number; readonly gave_up: number },
      SupabaseError
    >
  }
>() {}
