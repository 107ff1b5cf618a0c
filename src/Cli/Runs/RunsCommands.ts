import type { Command } from "../Command.ts"
import { demo, output, run, scopeFlags, shownZone } from "../Parameters.ts"

export const runsListCommand: Command = {
  name: "runs list",
  summary: "Runs, the newest slot first",
  details:
    '<when> is a date (in the zone shown), an instant with its zone (2026-11-20T02:00:00Z, "2026-11-20\n' +
    '02:00 Europe/Oslo"), yesterday, today, now, or how long ago: 36h, 7d. It is when runs are due.',
  positionals: [],
  flags: [
    { name: "since", value: "<when>", summary: "Due from then on" },
    { name: "until", value: "<when>", summary: "Due before then" },
    { name: "failed", summary: "Only those that failed or are unknown" },
    { name: "live", summary: "Only those that are not over" },
    {
      name: "status",
      value: "<status>",
      repeatable: true,
      summary: "Only in this status; may be repeated"
    },
    { name: "late", summary: "Only those that started later than SYNC_SCHEDULER_DRIFT_ALERT" },
    { name: "later-than", value: "<span>", summary: "Only those that started later than this" },
    ...scopeFlags,
    { name: "limit", value: "<n>", summary: "At most this many, up to 1000; 50 by default" },
    { name: "cursor", value: "<cursor>", summary: "Continue after the page that printed this" },
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
  summary: "One run, with all that happened to it",
  positionals: [run],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler runs show 01c85f7d"],
  load: () => import("./RunsShow.ts")
}

export const runsTailCommand: Command = {
  name: "runs tail",
  summary: "Follow runs as they begin and end",
  details: "A line for every change, of runs whose slots are at most two hours old. ^C ends it.",
  positionals: [],
  flags: [
    ...scopeFlags,
    { name: "from-now", summary: "Only what changes from now on" },
    { name: "interval", value: "<span>", summary: "How often to look; 2s by default" },
    ...shownZone,
    demo,
    output("text", "tsv", "jsonl")
  ],
  examples: ["sync-scheduler runs tail", "sync-scheduler runs tail -o jsonl --from-now"],
  load: () => import("./RunsTail.ts")
}
