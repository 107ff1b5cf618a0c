import type { Command, Positional } from "../Command.ts"
import { demo, output, scope } from "./Flags.ts"

const org: Positional = {
  name: "org",
  summary: "organisation: its name, its id, or the beginning of it; or an integration's id"
}
const integration: Positional = {
  name: "integration",
  summary: "integration: its type, its id, or the beginning of it",
  optional: true
}
const run: Positional = { name: "run", summary: "id of the run, or the beginning of it" }

/** Commands that tell how syncs go, and change nothing. Their code is loaded only when they run. */
export const asking: ReadonlyArray<Command> = [
  {
    name: "status",
    summary: "How everything is, on one screen, the worst first",
    details:
      "Shows what wants somebody, and what is running; --all shows the rest. Not on a terminal it prints\n" +
      "a line for each, separated by tabs: state, org, org id, integration, id, since, why.\n" +
      "With --exit-status, exit code 3 means that somebody should look, or that nothing ticks.",
    positionals: [],
    flags: [
      { name: "all", short: "a", summary: "Also what is fine or paused" },
      ...scope,
      { name: "exit-status", summary: "Exit 3 when somebody should look" },
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler status",
      "sync-scheduler status --org 'Acme AS' --all",
      "sync-scheduler status --exit-status -o json"
    ],
    load: () => import("../Status.ts")
  },
  {
    name: "explain",
    summary: "Did it run? And why, or why not",
    details:
      "Answers from the record: schedule, slot, claim, tries, what was passed over, breaker, provider,\n" +
      "policy, and what comes next. Days are those of the integration's own time zone. Without a time it\n" +
      "is about the last 24 hours.",
    positionals: [org, integration],
    flags: [
      { name: "on", value: "<day>", summary: 'yesterday, today, "last night", or a date' },
      { name: "from", value: "<when>", summary: "From then on: a date, an instant, 36h" },
      { name: "to", value: "<when>", summary: "Before then; now by default" },
      { name: "all", short: "a", summary: "Every slot, not only the newest twelve lines" },
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler explain 'Acme AS'",
      "sync-scheduler explain acme xledger --on yesterday",
      'sync-scheduler explain 0a5e --on "last night"'
    ],
    load: () => import("../Explain.ts")
  },
  {
    name: "schedules list",
    summary: "Every integration with its schedule, the soonest first",
    positionals: [],
    flags: [
      ...scope,
      { name: "search", value: "<text>", summary: "Part of an organisation's name or of a type" },
      {
        name: "state",
        value: "<state>",
        repeatable: true,
        summary: "Only in this state, such as failing or paused; may be repeated"
      },
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler schedules list",
      "sync-scheduler schedules list --state paused --state failing"
    ],
    load: () => import("../SchedulesList.ts")
  },
  {
    name: "schedules show",
    summary: "One integration: its schedule and policy, and how it stands",
    positionals: [org, integration],
    flags: [demo, output("text", "json", "jsonl")],
    examples: ["sync-scheduler schedules show 'Acme AS' xledger"],
    load: () => import("../SchedulesShow.ts")
  },
  {
    name: "runs list",
    summary: "Runs, the newest slot first",
    details:
      '<when> is a date (UTC), an instant with its zone (2026-11-20T02:00:00Z, "2026-11-20 02:00\n' +
      'Europe/Oslo"), yesterday, today, now, or how long ago: 36h, 7d. It is about slots.',
    positionals: [],
    flags: [
      { name: "since", value: "<when>", summary: "Slots from then on" },
      { name: "until", value: "<when>", summary: "Slots before then" },
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
      ...scope,
      { name: "limit", value: "<n>", summary: "At most this many, up to 1000; 50 by default" },
      { name: "cursor", value: "<cursor>", summary: "Go on after the page that printed this" },
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler runs list --failed --since 24h",
      "sync-scheduler runs list --org 'Acme AS' --since yesterday -o json"
    ],
    load: () => import("../RunsList.ts")
  },
  {
    name: "runs show",
    summary: "One run, with all that happened to it",
    positionals: [run],
    flags: [demo, output("text", "json", "jsonl")],
    examples: ["sync-scheduler runs show 01c85f7d"],
    load: () => import("../RunsShow.ts")
  },
  {
    name: "runs tail",
    summary: "Follow runs as they begin and end",
    details: "A line for every change, of runs whose slots are at most two hours old. ^C ends it.",
    positionals: [],
    flags: [
      ...scope,
      { name: "from-now", summary: "Only what changes from now on" },
      { name: "interval", value: "<span>", summary: "How often to look; 2s by default" },
      demo,
      output("text", "jsonl")
    ],
    examples: ["sync-scheduler runs tail", "sync-scheduler runs tail -o jsonl --from-now"],
    load: () => import("../RunsTail.ts")
  }
]
