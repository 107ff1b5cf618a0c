import type { Command } from "../Command.ts"
import { demo, integration, org, output, scopeFlags, shownZone, timezone } from "../Parameters.ts"

export const schedulesListCommand: Command = {
  name: "schedules list",
  summary: "List every integration with its schedule, soonest first",
  positionals: [],
  flags: [
    ...scopeFlags,
    { name: "search", value: "<text>", summary: "Part of an organisation's name or of a type" },
    {
      name: "state",
      value: "<state>",
      repeatable: true,
      summary: "Only this state, such as paused; may be repeated"
    },
    ...shownZone,
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler schedules list",
    "sync-scheduler schedules list --state paused --state failing"
  ],
  load: () => import("./SchedulesList.ts")
}

export const schedulesShowCommand: Command = {
  name: "schedules show",
  summary: "Show one integration: its schedule, policy and status",
  positionals: [org, integration],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler schedules show 'Acme AS' xledger"],
  load: () => import("./SchedulesShow.ts")
}

export const schedulesNextCommand: Command = {
  name: "schedules next",
  summary: "Show when a schedule runs next",
  positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
  flags: [
    timezone,
    {
      name: "from",
      value: "<instant>",
      summary: "Only slots after this instant; now by default"
    },
    { name: "count", value: "<n>", summary: "Number of slots, at most 1000; 10 by default" },
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    'sync-scheduler schedules next "0 2 * * 1-5" --tz Europe/Oslo',
    'sync-scheduler schedules next "@hourly" --count 3 -o json'
  ],
  load: () => import("./SchedulesNext.ts")
}

export const schedulesValidateCommand: Command = {
  name: "schedules validate",
  summary: "Check a schedule, and show how clock changes affect it",
  positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
  flags: [timezone, output("text", "json", "jsonl")],
  examples: ['sync-scheduler schedules validate "30 2 * * *" --tz Europe/Oslo'],
  load: () => import("./SchedulesValidate.ts")
}
