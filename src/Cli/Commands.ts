import type { Command, Flag } from "./Command.ts"

const output = (...choices: ReadonlyArray<string>): Flag => ({
  name: "output",
  short: "o",
  value: `<${choices.join("|")}>`,
  choices,
  summary: "How to print the result; text by default"
})

const timezone: Flag = {
  name: "tz",
  value: "<zone>",
  summary: "Time zone of the schedule, such as Europe/Oslo; UTC by default"
}

/** Every command, in the order of help. Their code is loaded only when they run. */
export const commands: ReadonlyArray<Command> = [
  {
    name: "run",
    summary: "One tick: trigger every sync that is due, record what came of it, exit",
    details:
      "Reads what is due, claims it, invokes the function of each, and records the outcome. Any number of\n" +
      "engines may run at the same time; the database decides who runs what. Exit code 3 means that the\n" +
      "tick ran and a run failed; the summary says which and why.",
    positionals: [],
    flags: [
      { name: "dry-run", short: "n", summary: "Show what is due; write and invoke nothing" },
      { name: "limit", value: "<n>", summary: "Start at most this many runs" },
      {
        name: "concurrency",
        value: "<n>",
        summary: "Invoke at most this many at once; 5 by default"
      },
      { name: "org", value: "<uuid>", summary: "Only this organisation" },
      {
        name: "integration",
        value: "<uuid>",
        repeatable: true,
        summary: "Only this integration; may be repeated"
      },
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler run", "sync-scheduler run --dry-run", "sync-scheduler run -o json"],
    load: () => import("./Run.ts")
  },
  {
    name: "demo",
    summary: "A whole tick on an embedded database; needs nothing",
    details:
      "Starts an embedded PostgreSQL with the real schema and a small function server on this machine,\n" +
      "makes three integrations due, and runs one tick. One of the three fails, to show how that looks.",
    positionals: [],
    flags: [
      { name: "keep", value: "<dir>", summary: "Keep the database in this directory" },
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler demo", "sync-scheduler demo --keep ./demo-data"],
    load: () => import("./Demo.ts")
  },
  {
    name: "schedules next",
    summary: "When a schedule runs next",
    positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
    flags: [
      timezone,
      {
        name: "from",
        value: "<instant>",
        summary: "After this instant, such as 2026-11-24T00:00:00Z; now by default"
      },
      { name: "count", value: "<n>", summary: "How many, at most 1000; 10 by default" },
      output("text", "json", "jsonl")
    ],
    examples: [
      'sync-scheduler schedules next "0 2 * * 1-5" --tz Europe/Oslo',
      'sync-scheduler schedules next "@hourly" --count 3 -o json'
    ],
    load: () => import("./SchedulesNext.ts")
  },
  {
    name: "schedules validate",
    summary: "Whether a schedule is valid, and what clock changes do to it",
    positionals: [{ name: "cron", summary: 'the expression, in quotes: "0 2 * * 1-5"' }],
    flags: [timezone, output("text", "json", "jsonl")],
    examples: ['sync-scheduler schedules validate "30 2 * * *" --tz Europe/Oslo'],
    load: () => import("./SchedulesValidate.ts")
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
    load: () => import("./NotifyTest.ts")
  },
  {
    name: "schema print",
    summary: "The database migrations as SQL, in order",
    positionals: [],
    flags: [output("text", "json", "jsonl")],
    examples: ['sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"'],
    load: () => import("./SchemaPrint.ts")
  },
  {
    name: "env",
    summary: "Every setting, its value and where it comes from; secrets are masked",
    positionals: [],
    flags: [output("text", "json", "jsonl")],
    examples: ["sync-scheduler env", "sync-scheduler env -o json"],
    load: () => import("./Env.ts")
  },
  {
    name: "completions",
    summary: "A completion script for your shell",
    positionals: [{ name: "shell", summary: "bash, zsh or fish" }],
    flags: [],
    examples: [
      "sync-scheduler completions bash > /etc/bash_completion.d/sync-scheduler",
      "sync-scheduler completions fish > ~/.config/fish/completions/sync-scheduler.fish"
    ],
    load: () => import("./Completions.ts")
  }
]
