import type { Command } from "../Command.ts"
import { demo, output, run, scopeFlags, shownZone } from "../Parameters.ts"

export const runsListCommand: Command = {
  name: "runs list",
  summary: "List runs, newest slot first",
  details:
    '<when> is a date (in the zone shown), an instant with its zone (2026-11-20T02:00:00Z, "2026-11-20\n' +
    '02:00 Europe/Oslo"), yesterday, today, now, or an age such as 7d. The filter uses the due time.',
  positionals: [],
  flags: [
    { name: "since", value: "<when>", summary: "Only runs due at or after this time" },
    { name: "until", value: "<when>", summary: "Only runs due before this time" },
    { name: "failed", summary: "Only runs that failed or are unknown" },
    { name: "live", summary: "Only live runs: pending, running, or unknown and not released" },
    {
      name: "status",
      value: "<status>",
      repeatable: true,
      summary: "Only runs with this status; may be repeated"
    },
    {
      name: "late",
      summary: "Only runs that started late (see SYNC_SCHEDULER_DRIFT_ALERT)"
    },
    {
      name: "later-than",
      value: "<span>",
      summary: "Only runs that started more than this long after their slot"
    },
    ...scopeFlags,
    { name: "limit", value: "<n>", summary: "Maximum number of runs, up to 1000; 50 by default" },
    {
      name: "cursor",
      value: "<cursor>",
      summary: "Continue after the page that printed this cursor"
    },
    ...shownZone,
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler runs list --failed --since 24h",
    "sync-scheduler runs list --org 'Acme AS' --since yesterday -o json"
  ],
  load: () => import("./RunsList.ts")
}

export const runsShowCommand: Command = {
  name: "runs show",
  summary: "Show one run with all its events",
  positionals: [run],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler runs show 01c85f7d"],
  load: () => import("./RunsShow.ts")
}

export const runsTailCommand: Command = {
  name: "runs tail",
  summary: "Follow runs as they start and end",
  details:
    "Prints a line for every change to a run that was due in the last two hours. Press Ctrl-C to stop.",
  positionals: [],
  flags: [
    ...scopeFlags,
    { name: "from-now", summary: "Only changes from now on" },
    { name: "interval", value: "<span>", summary: "Polling interval; 2s by default" },
    ...shownZone,
    demo,
    output("text", "tsv", "jsonl")
  ],
  examples: ["sync-scheduler runs tail", "sync-scheduler runs tail -o jsonl --from-now"],
  load: () => import("./RunsTail.ts")
}
