import type { Command } from "../Command.ts"
import { demo, output, scopeFlags } from "../Parameters.ts"

export const auditCommand: Command = {
  name: "audit",
  summary: "Prove that no slot is missing: each has its run or is on record as skipped",
  details:
    "Recomputes every schedule from its history, as it was in force at the time, and looks each slot\n" +
    "up in the log. Reads only. Exit code 3 means that there are holes; they are listed.\n" +
    "<when> is a date (UTC), an instant with its zone, yesterday, today, now, or how long ago: 36h, 7d.",
  positionals: [],
  flags: [
    { name: "from", value: "<when>", summary: "From then on; a day before --to by default" },
    { name: "to", value: "<when>", summary: "Before then; now by default" },
    ...scopeFlags,
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler audit --from yesterday --to today",
    "sync-scheduler audit --from 2026-01-01 --to 2027-01-01 -o json"
  ],
  load: () => import("./Audit.ts")
}
