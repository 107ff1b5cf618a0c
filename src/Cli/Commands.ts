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
      {
        name: "metrics-file",
        value: "<path>",
        summary: "Add metrics to this file, for node_exporter to read"
      },
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler run", "sync-scheduler run --dry-run", "sync-scheduler run -o json"],
    load: () => import("./Run.ts")
  },
  {
    name: "serve",
    summary: "Tick by itself, beside an application, and answer HTTP: probes and API",
    details:
      "Ticks at once, then at every beat of the interval, never two at a time; wakes functions 30 s\n" +
      "before their slots. Any number of replicas may run side by side. SIGTERM: nothing new is started,\n" +
      "what is in flight is recorded, exit 0; 3 when SYNC_SCHEDULER_DRAIN was not enough. A second\n" +
      "signal leaves at once.",
    positionals: [],
    flags: [
      {
        name: "listen",
        value: "<host:port>",
        summary: "Where to answer HTTP; 127.0.0.1:8787 by default, port 0 for any"
      },
      { name: "interval", value: "<span>", summary: "How often to tick; 60s by default" },
      {
        name: "concurrency",
        value: "<n>",
        summary: "Invoke at most this many at once; 5 by default"
      },
      {
        name: "allow-actions",
        summary: "Whoever has SYNC_SCHEDULER_ADMIN_TOKEN may run, retry, pause and resume"
      },
      output("text", "jsonl")
    ],
    examples: [
      "sync-scheduler serve",
      "sync-scheduler serve --listen 127.0.0.1:9000 --interval 30s",
      "sync-scheduler serve -o jsonl"
    ],
    load: () => import("./Serve.ts")
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
    name: "audit",
    summary: "Prove that no slot is missing: each has its run or is on record as passed over",
    details:
      "Recomputes every schedule from its history, as it was in force at the time, and looks each slot\n" +
      "up in the log. Reads only. Exit code 3 means that there are holes; they are listed.\n" +
      "<when> is a date (UTC), an instant with its zone, yesterday, today, now, or how long ago: 36h, 7d.",
    positionals: [],
    flags: [
      { name: "from", value: "<when>", summary: "From then on; a day before --to by default" },
      { name: "to", value: "<when>", summary: "Before then; now by default" },
      { name: "org", value: "<uuid>", summary: "Only this organisation" },
      {
        name: "integration",
        value: "<uuid>",
        repeatable: true,
        summary: "Only this integration; may be repeated"
      },
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler audit --from yesterday --to today",
      "sync-scheduler audit --from 2026-01-01 --to 2027-01-01 -o json"
    ],
    load: () => import("./Audit.ts")
  },
  {
    name: "backfill",
    summary: "Run slots of the past that have no run; shows them unless --yes is given",
    details:
      "The slots are those of the schedule as it was at the time, also while it was disabled or passed\n" +
      "over. With --yes the next ticks run them: oldest first, one at a time, after what is due by the\n" +
      "schedule, which goes on as it is. <when> is written as for audit.",
    positionals: [
      { name: "integration", summary: "id of the integration, a UUID", optional: true }
    ],
    flags: [
      { name: "from", value: "<when>", summary: "From then on" },
      { name: "to", value: "<when>", summary: "Before then; now by default" },
      { name: "yes", short: "y", summary: "Request it; without, nothing is changed" },
      { name: "reason", value: "<text>", summary: "Why, for the record" },
      { name: "cancel", value: "<backfill>", summary: "Cancel this request" },
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler backfill 1a000000-0000-4000-8000-000000000001 --from 2026-11-01 --to 2026-11-08",
      "sync-scheduler backfill 1a000000-0000-4000-8000-000000000001 --from 7d --yes --reason 'ERP down'"
    ],
    load: () => import("./Backfill.ts")
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
    name: "init",
    summary: "Write the migrations and functions into a Supabase project; never over a file",
    details:
      "Writes supabase/migrations and supabase/functions (the fence in _shared, and the example\n" +
      "integration-sync) into the project in <dir>, the current directory by default. A file that is there\n" +
      "is never touched: with the same text it is unchanged, with another it is reported, exit code 3.",
    positionals: [{ name: "dir", summary: "root of the project", optional: true }],
    flags: [
      { name: "dry-run", short: "n", summary: "Show what would be written" },
      output("text", "json", "jsonl")
    ],
    examples: ["sync-scheduler init --dry-run", "sync-scheduler init ./my-project"],
    load: () => import("./Init.ts")
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
    flags: [output("text", "json", "jsonl")],
    examples: ["sync-scheduler doctor", "sync-scheduler doctor -o json"],
    load: () => import("./Doctor.ts")
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
    load: () => import("./Ready.ts")
  },
  {
    name: "install",
    summary: "Print or write the files for systemd, Docker or Kubernetes",
    details:
      "The files are those that this version is tested with. --print shows them, each with the place\n" +
      "where it belongs; --write puts them into a directory and never overwrites one.",
    positionals: [
      {
        name: "target",
        choices: ["systemd", "docker", "k8s"],
        summary: "systemd, docker or k8s"
      }
    ],
    flags: [
      { name: "print", summary: "Print the files" },
      { name: "write", value: "<dir>", summary: "Write them into this directory instead" },
      output("text", "json", "jsonl")
    ],
    examples: [
      "sync-scheduler install systemd --print",
      "sync-scheduler install k8s --write ./deploy"
    ],
    load: () => import("./Install.ts")
  },
  {
    name: "schema print",
    summary: "The database migrations as SQL, in order",
    positionals: [],
    flags: [
      { name: "after", value: "<version>", summary: "Only the migrations after this one" },
      {
        name: "only",
        value: "<name>",
        repeatable: true,
        summary: "The present definition of this function, table, index, ..."
      },
      output("text", "json", "jsonl")
    ],
    examples: [
      'sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"',
      "sync-scheduler schema print --only claim_sync_runs"
    ],
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
    positionals: [
      { name: "shell", choices: ["bash", "zsh", "fish"], summary: "bash, zsh or fish" }
    ],
    flags: [],
    examples: [
      "sync-scheduler completions bash > /etc/bash_completion.d/sync-scheduler",
      "sync-scheduler completions fish > ~/.config/fish/completions/sync-scheduler.fish"
    ],
    load: () => import("./Completions.ts")
  }
]
