import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const probeCommand: Command = {
  name: "probe",
  summary: "Check the health of the accounting APIs once, without credentials",
  details:
    "Sends one small request to each API, regardless of the number of tenants. An API is not probed\n" +
    "within 15 minutes of the last probe, while one of its syncs is running, or while it throttles the\n" +
    "scheduler. serve and run also probe an API after 15 minutes without a sync\n" +
    "(SYNC_SCHEDULER_PROBES). Exit code 3 means that an API is unreachable or throttles the scheduler.",
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
