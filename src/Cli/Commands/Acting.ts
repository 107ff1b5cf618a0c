import type { Command, Loaded, Positional } from "../Command.ts"
import { demo, acting as flags, output } from "./Flags.ts"

const target: ReadonlyArray<Positional> = [
  {
    name: "org",
    summary: "organisation: its name, its id, or the beginning of it; or an integration's id"
  },
  {
    name: "integration",
    summary: "integration: its type, its id, or the beginning of it",
    optional: true
  }
]
const run: ReadonlyArray<Positional> = [
  { name: "run", summary: "id of the run, or the beginning of it" }
]
const shared = [...flags, demo, output("text", "json", "jsonl")]

const load =
  (name: "pause" | "resume" | "trigger" | "retry" | "release") => async (): Promise<Loaded> => {
    const actions = await import("../Acting.ts")
    return { main: actions[name], json: actions.json }
  }

/** Commands with which people step in. All of them record who and why. Their code is loaded only when they run. */
export const acting: ReadonlyArray<Command> = [
  {
    name: "trigger",
    summary: "Run one integration now, outside its schedule",
    details:
      "The next tick starts it. Refused while a run of it is not over, or while it is paused.",
    positionals: target,
    flags: shared,
    examples: ["sync-scheduler trigger 'Acme AS' xledger --reason 'month-end close'"],
    load: load("trigger")
  },
  {
    name: "schedules pause",
    summary: "Let no slot of an integration run until it is resumed",
    details: "What is due meanwhile is passed over, on record. A run that is under way goes on.",
    positionals: target,
    flags: shared,
    examples: ["sync-scheduler schedules pause 'Acme AS' dynamics --reason 'new ERP'"],
    load: load("pause")
  },
  {
    name: "schedules resume",
    summary: "Let a paused integration run again, and close its breaker",
    details:
      "It runs from its next slot on. Slots that passed meanwhile are not run; backfill can.",
    positionals: target,
    flags: shared,
    examples: ["sync-scheduler schedules resume 'Acme AS' dynamics --reason 'migrated' --yes"],
    load: load("resume")
  },
  {
    name: "runs retry",
    summary: "Run a failed, skipped or unknown run again",
    details:
      "The same slot with the same idempotency key, and one more try. Of an unknown run nobody knows\n" +
      "whether it took effect: look at the other side first. It waits until its function must be over.",
    positionals: run,
    flags: shared,
    examples: ["sync-scheduler runs retry 07c886dd --reason 'the ERP is back'"],
    load: load("retry")
  },
  {
    name: "runs release",
    summary: "Let later slots run after an unknown run that holds them",
    details:
      "For integrations with on_unknown = hold, once it is known what became of the run. It stays unknown.",
    positionals: run,
    flags: shared,
    examples: ["sync-scheduler runs release 07c886dd --reason 'voucher 4711 is booked'"],
    load: load("release")
  }
]
