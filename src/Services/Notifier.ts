import { Context, type Effect } from "effect"
import type { AlertMessage } from "../Domain/Alert.ts"
import type { NotifyError } from "../Domain/Errors.ts"

/** The receiver of alerts: a webhook that takes CloudEvents, or Slack. */
export class Notifier extends Context.Tag("@sync-scheduler/Notifier")<
  Notifier,
  {
    /** The format that the receiver expects; null when none is configured, and then nothing is sent. */
    readonly channel: "cloudevents" | "slack" | null
    /**
     * Sends one message, once, in at most 10 s. *Fails with* NotifyError. *Guarantees*: the same transitions carry the
     * same id every time, so that a receiver can recognise a repeat.
     */
    readonly send: (message: AlertMessage) => Effect.Effect<void, NotifyError>
  }
>() {}
