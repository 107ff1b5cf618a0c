import type { Command } from "../Command.ts"
import { demo, integration, org, output, shownZone } from "../Parameters.ts"

export const explainCommand: Command = {
  name: "explain",
  summary: "Show whether a sync ran, and why or why not",
  details:
    "Answers yes or no. Shows the run, the reason and the next run. If something is wrong, shows the\n" +
    "command that helps. Days and times are in the integration's own time zone. The default period is\n" +
    "the last 24 hours.",
  positionals: [org, integration],
  flags: [
    { name: "on", value: "<day>", summary: 'yesterday, today, "last night", or a date' },
    {
      name: "from",
      value: "<when>",
      summary: "Start of the period: a date, an instant, or an age such as 36h"
    },
    { name: "to", value: "<when>", summary: "End of the period, exclusive; now by default" },
    {
      name: "all",
      short: "a",
      summary: "Show all lines, not only the twelve most relevant"
    },
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
