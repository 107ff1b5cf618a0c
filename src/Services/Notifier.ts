import { Context, type Effect } from "effect"
import type { AlertMessage } from "../Domain/Alert.ts"
import type { NotifyError } from "../Domain/Errors.ts"

/** Whoever is told of incidents: a webhook that takes CloudEvents, or Slack. */
export class Notifier extends Context.Tag("@sync-scheduler/Notifier")<
  Notifier,
  {
    /** What it speaks; null when nobody is to be told, and then nothing is sent. */
    readonly channel: "cloudevents" | "slack" | null
    /**
     * Sends one message, once, in at most 10 s. *Fails with* NotifyError. *Guarantees*: the same transitions carry the
     * same id every time, so that a receiver can tell a repeat.
     */
    readonly send: (message: AlertMessage) => Effect.Effect<void, NotifyError>
  }
>() {}
