import type { Command } from "../Command.ts"
import { output, shownZone } from "../Parameters.ts"

export const runCommand: Command = {
  name: "run",
  summary: "One tick: trigger every sync that is due, record the outcomes, exit",
  details:
    "Reads what is due, claims it, invokes the function of each, and records the outcome. Any number of\n" +
    "engines may run at the same time; the database decides who runs what. Exit code 3 means that the\n" +
    "tick ran and a run did not complete; the summary says which and why.",
  positionals: [],
  flags: [
    { name: "dry-run", short: "n", summary: "Show what is due; write and invoke nothing" },
    { name: "limit", value: "<n>", summary: "Start at most this many runs" },
    {
      name: "concurrency",
      value: "<n>",
      summary: "Invoke at most this many concurrently; 5 by default"
    },
    { name: "org", value: "<uuid>", summary: "Only this organisation" },
    {
      name: "integration",
      value: "<uuid>",
      repeatable: true,
      summary: "Only this integration; may be repeated"
    },
    {
      name: "metrics-file",
      value: "<path>",
      summary: "Add metrics to this file, for node_exporter to read"
    },
    ...shownZone,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: ["sync-scheduler run", "sync-scheduler run --dry-run", "sync-scheduler run -o json"],
  load: () => import("./RunTick.ts")
}
