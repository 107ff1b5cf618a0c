import type { Command } from "../Command.ts"
import { output, shownZone } from "../Parameters.ts"

export const runCommand: Command = {
  name: "run",
  summary: "Run one tick: trigger every due sync, record the outcomes, exit",
  details:
    "Claims every due slot, invokes its function, and records the outcome. Any number of engines can run\n" +
    "at the same time. The database decides which engine runs a slot. Exit code 3 means that a run did\n" +
    "not complete. The summary shows which run, and why.",
  positionals: [],
  flags: [
    { name: "dry-run", short: "n", summary: "Show what is due; write and invoke nothing" },
    { name: "limit", value: "<n>", summary: "Start at most this many runs" },
    {
      name: "concurrency",
      value: "<n>",
      summary: "Maximum number of concurrent invocations; 5 by default"
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
  load: () => import("./RunTick.ts"),
  loadFirst: () => import("./IdleRun.ts")
}
