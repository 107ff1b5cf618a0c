import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const probeCommand: Command = {
  name: "probe",
  summary: "Check the health of the accounting APIs once, without credentials",
  details:
    "Sends one small request to each API, regardless of the number of tenants. The database does not\n" +
    "allow a probe within 15 minutes of the last one, while a sync that uses the API is running, or while\n" +
    "the API is throttling the scheduler. serve and run also probe an API after 15 minutes without a\n" +
    "sync (SYNC_SCHEDULER_PROBES). Exit code 3 means that an API is throttling the scheduler or cannot\n" +
    "be reached.",
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
