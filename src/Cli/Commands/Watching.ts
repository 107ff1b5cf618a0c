import type { Command } from "../Command.ts"
import { demo, output } from "./Flags.ts"

/** Commands that watch over the scheduler itself. Their code is loaded only when they run. */
export const watching: ReadonlyArray<Command> = [
  {
    name: "check",
    summary: "One line for Nagios and its heirs: whether syncs run, with figures",
    details:
      "Exit codes are theirs: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also when the database cannot be\n" +
      "asked. A threshold is <critical>, or <warning>,<critical>; either may be left empty.",
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
      demo,
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler check",
      "sync-scheduler check --overdue 10m,30m --tick-age 5m --failing 1,20"
    ],
    load: () => import("../Check.ts")
  },
  {
    name: "ready",
    summary: "Whether a serve on this machine is ready; for health checks of containers",
    details:
      "Asks /readyz of serve. Exit code 0 when it is ready, 1 when it is not or does not answer.",
    positionals: [],
    flags: [
      {
        name: "url",
        value: "<url>",
        summary: "Where serve answers; by default as SYNC_SCHEDULER_LISTEN says"
      },
      { name: "timeout", value: "<seconds>", summary: "How long to wait; 5 by default" }
    ],
    examples: ["sync-scheduler ready", "sync-scheduler ready --url http://127.0.0.1:8787"],
    load: () => import("../Ready.ts")
  },
  {
    name: "probe",
    summary: "One round of health checks of the accounting APIs, without credentials",
    details:
      "One small request for each API, whatever the number of tenants, and never less than 15 minutes\n" +
      "after the last one, while a sync of it runs, or after it asked to slow down: the database decides,\n" +
      "for every engine alike. serve and run do the same by themselves, after 15 minutes without a sync\n" +
      "(SYNC_SCHEDULER_PROBES). Exit code 3 means that one throttles or cannot be reached.",
    positionals: [],
    flags: [
      { name: "dry-run", short: "n", summary: "Show what would be probed; send and write nothing" },
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler probe",
      "sync-scheduler probe --dry-run",
      "sync-scheduler probe -o json"
    ],
    load: () => import("../Probe.ts")
  },
  {
    name: "doctor",
    summary: "What is wrong with a set-up, and what puts it right",
    details:
      "Looks at the settings, the key, the database's schema, grants and clock, the schedules, whether\n" +
      "ticks go on, and whether the functions answer (with OPTIONS: nothing is exported). Changes\n" +
      "nothing. " +
      "Exit code 3 means that something is wrong; 2, 4 and 5 as everywhere.",
    positionals: [],
    flags: [demo, output("text", "json", "jsonl")],
    examples: ["sync-scheduler doctor", "sync-scheduler doctor -o json"],
    load: () => import("../Doctor.ts")
  },
  {
    name: "notify test",
    summary: "Send a test alert and a test ping, and say what became of them",
    details:
      "Sends one opening and one recovery to SYNC_SCHEDULER_ALERT_WEBHOOK_URL, and one tick's pings to\n" +
      "SYNC_SCHEDULER_PING_URL, whichever are set. Exit code 3 means that one was not taken.",
    positionals: [],
    flags: [output("text", "json", "jsonl")],
    examples: ["sync-scheduler notify test"],
    load: () => import("../NotifyTest.ts")
  },
  {
    name: "env",
    summary: "Every setting, its value and where it comes from; secrets are masked",
    positionals: [],
    flags: [output("text", "json", "jsonl")],
    examples: ["sync-scheduler env", "sync-scheduler env -o json"],
    load: () => import("../Env.ts")
  }
]
