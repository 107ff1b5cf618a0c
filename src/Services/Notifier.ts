import { Context, type Effect } from "effect"
import type { AlertMessage } from "../Domain/Alert.ts"
import type { NotifyError } from "../Domain/Errors.ts"

/** The receiver of alerts: a webhook for CloudEvents, or Slack. */
export class Notifier extends Context.Tag("@sync-scheduler/Notifier")<
  Notifier,
  {
    /** The receiver's format; null if no receiver is configured. Without a receiver, nothing is sent. */
    readonly channel: "cloudevents" | "slack" | null
    /**
     * Sends a message in one attempt, within 10 s. *Fails with* NotifyError.
     * *Guarantees*: messages about the same transitions have the same id, so that a receiver can detect duplicates.
     */
    readonly send: (message: AlertMessage) => Effect.Effect<void, NotifyError>
  }
>() {}
