import type { Command } from "../Command.ts"
import { demo, output, scopeFlags, shownZone } from "../Parameters.ts"

export const statusCommand: Command = {
  name: "status",
  summary: "Show the state of all integrations on one screen, worst first",
  details:
    "Shows integrations that need attention or are running. To show all integrations, use --all.\n" +
    "-o tsv prints a header and tab-separated columns, for programs. With --exit-status, exit code 3\n" +
    "means that something needs attention, or that no engine ticks.",
  positionals: [],
  flags: [
    { name: "all", short: "a", summary: "Also show integrations that are on time or paused" },
    ...scopeFlags,
    { name: "exit-status", summary: "Exit 3 when something needs attention" },
    ...shownZone,
    demo,
    output("text", "tsv", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler status",
    "sync-scheduler status --org 'Acme AS' --all",
    "sync-scheduler status --exit-status -o json"
  ],
  load: () => import("./Status.ts")
}
