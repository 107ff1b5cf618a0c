import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const backfillCommand: Command = {
  name: "backfill",
  summary: "Run past slots that have no run; without --yes, only list them",
  details:
    "Uses the schedule that applied in the period. Includes slots that became due while the integration\n" +
    "was paused. With --yes, the next ticks run the slots one at a time, oldest first, after all runs\n" +
    "that are due. The schedule does not change. <when> has the same forms as in audit.",
  positionals: [
    { name: "org", summary: "organisation or integration, by name or id", optional: true },
    { name: "integration", summary: "integration, by type or id", optional: true }
  ],
  flags: [
    { name: "from", value: "<when>", summary: "Start of the period" },
    { name: "to", value: "<when>", summary: "End of the period, exclusive; now by default" },
    { name: "yes", short: "y", summary: "Request the runs; without --yes, nothing is changed" },
    { name: "reason", value: "<text>", summary: "Reason to record" },
    { name: "as", value: "<who>", summary: "Actor to record; user@host by default" },
    { name: "cancel", value: "<backfill>", summary: "Cancel this request" },
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler backfill 'Acme AS' xledger --from 2026-11-01 --to 2026-11-08",
    "sync-scheduler backfill 'Acme AS' xledger --from 7d --yes --reason 'ERP down'"
  ],
  load: () => import("./Backfill.ts")
}
