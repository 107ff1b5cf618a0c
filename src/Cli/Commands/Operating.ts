import type { Command } from "../Command.ts"
import { demo, output, scope, timezone } from "./Flags.ts"

/** Commands that ask and tell how syncs go. Their code is loaded only when they run. */
export const operating: ReadonlyArray<Command> = [
  {
    name: "schedules next",
    summary: "When a schedule runs next",
    positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
    flags: [
      timezone,
      {
        name: "from",
        value: "<instant>",
        summary: "After this instant, such as 2026-11-24T00:00:00Z; now by default"
      },
      { name: "count", value: "<n>", summary: "How many, at most 1000; 10 by default" },
      output("text", "json", "jsonl")
    ],
    examples: [
      'sync-scheduler schedules next "0 2 * * 1-5" --tz Europe/Oslo',
      'sync-scheduler schedules next "@hourly" --count 3 -o json'
    ],
    load: () => import("../SchedulesNext.ts")
  },
  {
    name: "schedules validate",
    summary: "Whether a schedule is valid, and what clock changes do to it",
    positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
    flags: [timezone, output("text", "json", "jsonl")],
    examples: ['sync-scheduler schedules validate "30 2 * * *" --tz Europe/Oslo'],
    load: () => import("../SchedulesValidate.ts")
  },
  {
    name: "audit",
    summary: "Prove that no slot is missing: each has its run or is on record as passed over",
    details:
      "Recomputes every schedule from its history, as it was in force at the time, and looks each slot\n" +
      "up in the log. Reads only. Exit code 3 means that there are holes; they are listed.\n" +
      "<when> is a date (UTC), an instant with its zone, yesterday, today, now, or how long ago: 36h, 7d.",
    positionals: [],
    flags: [
      { name: "from", value: "<when>", summary: "From then on; a day before --to by default" },
      { name: "to", value: "<when>", summary: "Before then; now by default" },
      ...scope,
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler audit --from yesterday --to today",
      "sync-scheduler audit --from 2026-01-01 --to 2027-01-01 -o json"
    ],
    load: () => import("../Audit.ts")
  },
  {
    name: "backfill",
    summary: "Run slots of the past that have no run; shows them unless --yes is given",
    details:
      "The slots are those of the schedule as it was at the time, also while it was disabled or passed\n" +
      "over. With --yes the next ticks run them: oldest first, one at a time, after what is due by the\n" +
      "schedule, which goes on as it is. <when> is written as for audit.",
    positionals: [
      { name: "org", summary: "organisation or integration, by name or id", optional: true },
      { name: "integration", summary: "integration, by type or id", optional: true }
    ],
    flags: [
      { name: "from", value: "<when>", summary: "From then on" },
      { name: "to", value: "<when>", summary: "Before then; now by default" },
      { name: "yes", short: "y", summary: "Request it; without, nothing is changed" },
      { name: "reason", value: "<text>", summary: "Why, for the record" },
      { name: "as", value: "<who>", summary: "Who, for the record; user@host by default" },
      { name: "cancel", value: "<backfill>", summary: "Cancel this request" },
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler backfill 'Acme AS' xledger --from 2026-11-01 --to 2026-11-08",
      "sync-scheduler backfill 'Acme AS' xledger --from 7d --yes --reason 'ERP down'"
    ],
    load: () => import("../Backfill.ts")
  }
]
