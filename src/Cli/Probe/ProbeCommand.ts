import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const probeCommand: Command = {
  name: "probe",
  summary: "One round of health checks of the accounting APIs, without credentials",
  details:
    "One small request for each API, whatever the number of tenants, and never less than 15 minutes\n" +
    "after the last one, while a sync of it runs, or after it asked to slow down: the database decides,\n" +
    "for every engine alike. serve and run do the same by themselves, after 15 minutes without a sync\n" +
    "(SYNC_SCHEDULER_PROBES). Exit code 3 means that one throttles or cannot be reached.",
  positionals: [],
  flags: [
    { name: "dry-run", short: "n", summary: "Show what would be probed; send and write nothing" },
    {
      ...demo,
      summary: "Only show what would be probed for the demo in this directory"
    },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler probe",
    "sync-scheduler probe --dry-run",
    "sync-scheduler probe -o json"
  ],
  load: () => import("./Probe.ts")
}
