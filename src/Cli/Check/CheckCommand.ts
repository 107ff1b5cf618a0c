import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const checkCommand: Command = {
  name: "check",
  summary: "One line for Nagios and its heirs: whether syncs run, with figures",
  details:
    "Exit codes follow Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also when something cannot be\n" +
    "read. OK when nothing needs attention, unless a threshold below allows it.\n" +
    "A threshold is <critical>, or <warning>,<critical>; either may be left empty.",
  positionals: [],
  flags: [
    {
      name: "overdue",
      value: "<spans>",
      summary: "For how long a sync may be due and not started; 5m,10m by default"
    },
    {
      name: "tick-age",
      value: "<spans>",
      summary: "How long ago the last sign of life may be; 3m,5m by default"
    },
    {
      name: "failing",
      value: "<counts>",
      summary: "How many may fail or not be known; 1, by default: a warning"
    },
    {
      name: "retrying",
      value: "<counts>",
      summary: "How many of one cause may await a retry; 1, by default: a warning"
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
