import type { Command } from "../Command.ts"
import { demo, output, scopeFlags } from "../Parameters.ts"

export const auditCommand: Command = {
  name: "audit",
  summary: "Check that every slot has a run or is recorded as skipped",
  details:
    "Recomputes all slots from the schedules that applied in the period, and looks for each slot in the\n" +
    "run log. Changes nothing. Lists the slots that have neither a run nor a record. Exit code 3 means\n" +
    "that there are such slots.\n" +
    "<when> is a date (UTC), an instant with its zone, yesterday, today, now, or an age such as 7d.",
  positionals: [],
  flags: [
    {
      name: "from",
      value: "<when>",
      summary: "Start of the period; by default one day before --to"
    },
    { name: "to", value: "<when>", summary: "End of the period, exclusive; now by default" },
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
