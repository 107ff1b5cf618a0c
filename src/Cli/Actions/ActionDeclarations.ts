import type { Command, Loaded } from "../Command.ts"
import { acting, demo, integration, org, output, run, wait } from "../Parameters.ts"

const shared = [...acting, demo, output("text", "json", "jsonl")]

const load =
  (name: "pause" | "resume" | "trigger" | "retry" | "release") => async (): Promise<Loaded> => {
    const actions = await import("./ActionCommands.ts")
    return { main: actions[name], json: actions.json }
  }

export const triggerCommand: Command = {
  name: "trigger",
  summary: "Run one integration now, outside its schedule",
  details:
    "The run starts with the next tick. With --wait, the run starts immediately. trigger is refused if\n" +
    "the integration is paused or already has a run in progress.",
  positionals: [org, integration],
  flags: [wait, ...shared],
  examples: [
    "sync-scheduler trigger 'Acme AS' xledger --reason 'month-end close'",
    "sync-scheduler trigger 'Acme AS' xledger --wait --yes"
  ],
  load: load("trigger")
}

export const schedulesPauseCommand: Command = {
  name: "schedules pause",
  summary: "Stop an integration from running until it is resumed",
  details: "Runs due in the meantime are skipped and recorded. A run in progress will finish.",
  positionals: [org, integration],
  flags: shared,
  examples: ["sync-scheduler schedules pause 'Acme AS' dynamics --reason 'new ERP'"],
  load: load("pause")
}

export const schedulesResumeCommand: Command = {
  name: "schedules resume",
  summary: "Let a paused integration run again, and close its breaker",
  details:
    "The integration runs again from its next slot. Skipped runs stay skipped; to run them, use backfill.",
  positionals: [org, integration],
  flags: shared,
  examples: ["sync-scheduler schedules resume 'Acme AS' dynamics --reason 'migrated' --yes"],
  load: load("resume")
}

export const runsRetryCommand: Command = {
  name: "runs retry",
  summary: "Retry a run that failed, was skipped, or is unknown",
  details:
    "Gives the run one more attempt, with the same idempotency key. With --wait, the attempt starts\n" +
    "immediately. An unknown run may have taken effect: check the accounting system first. Its retry\n" +
    "waits until the first attempt can no longer be running.",
  positionals: [run],
  flags: [wait, ...shared],
  examples: ["sync-scheduler runs retry 07c886dd --wait --reason 'the ERP is back'"],
  load: load("retry")
}

export const runsReleaseCommand: Command = {
  name: "runs release",
  summary: "Stop an unknown run from blocking later runs",
  details:
    "If on_unknown = hold, an unknown run blocks its integration. Release the run once you know that it\n" +
    "took effect. The run stays unknown.",
  positionals: [run],
  flags: shared,
  examples: ["sync-scheduler runs release 07c886dd --reason 'voucher 4711 is booked'"],
  load: load("release")
}
