import type { Command } from "../Command.ts"
import { demo, integration, org, output, shownZone } from "../Parameters.ts"

export const explainCommand: Command = {
  name: "explain",
  summary: "Did it run? And why, or why not",
  details:
    "Answers yes or no, which run, why, what is next, and the command that helps. Days and times are\n" +
    "those of the integration's own time zone. Without a time it is about the last 24 hours.",
  positionals: [org, integration],
  flags: [
    { name: "on", value: "<day>", summary: 'yesterday, today, "last night", or a date' },
    { name: "from", value: "<when>", summary: "From then on: a date, an instant, 36h" },
    { name: "to", value: "<when>", summary: "Before then; now by default" },
    { name: "all", short: "a", summary: "Every slot, not only the newest twelve lines" },
    ...shownZone,
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler explain 'Acme AS'",
    "sync-scheduler explain acme xledger --on yesterday",
    'sync-scheduler explain 0a5e --on "last night"'
  ],
  load: () => import("./Explain.ts")
}
