import type { Command } from "../Command.ts"
import { demo, output, scopeFlags } from "../Parameters.ts"

export const auditCommand: Command = {
  name: "audit",
  summary: "Check that every slot has a run or is recorded as skipped",
  details:
    "Recomputes the slots of the schedules that were in force at the time, and checks the run log for\n" +
    "each slot. Changes nothing. Exit code 3 means that some slots have neither a run nor a record.\n" +
    "The output lists these slots.\n" +
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
