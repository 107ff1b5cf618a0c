import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const backfillCommand: Command = {
  name: "backfill",
  summary: "Run slots of the past that have no run; shows them unless --yes is given",
  details:
    "The slots are those of the schedule as it was at the time, also while it was paused. With --yes the\n" +
    "next ticks run them: oldest first, one at a time, after what is due by the schedule, which stays as\n" +
    "it is. <when> is written as for audit.",
  positionals: [
    { name: "org", summary: "organisation or integration, by name or id", optional: true },
    { name: "integration", summary: "integration, by type or id", optional: true }
  ],
  flags: [
    { name: "from", value: "<when>", summary: "From then on" },
    { name: "to", value: "<when>", summary: "Before then; now by default" },
    { name: "yes", short: "y", summary: "Request it; without, nothing is changed" },
    { name: "reason", value: "<text>", summary: "Why, for the record" },
    { name: "as", value: "<who>", summary: "Who, for the record; user@host by default" },
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
