import type { Command } from "../Command.ts"
import { output } from "./Flags.ts"

/** Commands that tick. Their code is loaded only when they run. */
export const ticking: ReadonlyArray<Command> = [
  {
    name: "run",
    summary: "One tick: trigger every sync that is due, record what came of it, exit",
    details:
      "Reads what is due, claims it, invokes the function of each, and records the outcome. Any number of\n" +
      "engines may run at the same time; the database decides who runs what. Exit code 3 means that the\n" +
      "tick ran and a run failed; the summary says which and why.",
    positionals: [],
    flags: [
      { name: "dry-run", short: "n", summary: "Show what is due; write and invoke nothing" },
      { name: "limit", value: "<n>", summary: "Start at most this many runs" },
      {
        name: "concurrency",
        value: "<n>",
        summary: "Invoke at most this many at once; 5 by default"
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
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler run", "sync-scheduler run --dry-run", "sync-scheduler run -o json"],
    load: () => import("../Run.ts")
  },
  {
    name: "serve",
    summary: "Tick by itself, beside an application, and answer HTTP: page, API, metrics",
    details:
      "Ticks at once, then at every beat of the interval, never two at a time; wakes functions 30 s\n" +
      "before their slots. Any number of replicas may run side by side. SIGTERM: nothing new is started,\n" +
      "what is in flight is recorded, exit 0; 3 when SYNC_SCHEDULER_DRAIN was not enough. A second\n" +
      "signal leaves at once.",
    positionals: [],
    flags: [
      {
        name: "listen",
        value: "<host:port>",
        summary: "Where to answer HTTP; 127.0.0.1:8787 by default, port 0 for any"
      },
      { name: "interval", value: "<span>", summary: "How often to tick; 60s by default" },
      {
        name: "concurrency",
        value: "<n>",
        summary: "Invoke at most this many at once; 5 by default"
      },
      {
        name: "allow-actions",
        summary: "Whoever has SYNC_SCHEDULER_ADMIN_TOKEN may run, retry, pause and resume"
      },
      {
        name: "demo",
        value: "<dir>",
        summary: "Serve made-up organisations from this directory; needs no project"
      },
      output("text", "jsonl")
    ],
    examples: [
      "sync-scheduler serve",
      "sync-scheduler serve --listen 127.0.0.1:9000 --interval 30s",
      "sync-scheduler serve --demo ./demo-data"
    ],
    load: () => import("../Serve.ts")
  },
  {
    name: "demo",
    summary: "A whole tick on an embedded database; needs nothing",
    details:
      "Starts an embedded PostgreSQL with the real schema and a small function server on this machine,\n" +
      "makes three integrations due, and runs one tick. One of the three fails, to show how that looks.",
    positionals: [],
    flags: [
      { name: "keep", value: "<dir>", summary: "Keep the database in this directory" },
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler demo", "sync-scheduler demo --keep ./demo-data"],
    load: () => import("../Demo.ts")
  }
]
