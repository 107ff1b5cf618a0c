import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const checkCommand: Command = {
  name: "check",
  summary: "Print a one-line status with performance data, for Nagios-compatible monitors",
  details:
    "Exit codes follow Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. OK means that every\n" +
    "figure is below its thresholds. UNKNOWN means that something could not be read.\n" +
    "A threshold is <critical>, or <warning>,<critical>. Either can be empty.",
  positionals: [],
  flags: [
    {
      name: "overdue",
      value: "<spans>",
      summary: "Maximum delays of a due sync (warning,critical); 5m,10m by default"
    },
    {
      name: "tick-age",
      value: "<spans>",
      summary: "Maximum age of the last engine activity; 3m,5m by default"
    },
    {
      name: "failing",
      value: "<counts>",
      summary: "Number of failing or unknown integrations; '1,' by default"
    },
    {
      name: "retrying",
      value: "<counts>",
      summary: "Number of pending retries with the same cause; '1,' by default"
    },
    demo,
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler check",
    "sync-scheduler check --overdue 10m,30m --tick-age 5m --failing 1,20"
  ],
  load: () => import("./Check.ts")
}
