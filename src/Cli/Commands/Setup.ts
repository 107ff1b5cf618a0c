import type { Command } from "../Command.ts"
import { output } from "./Flags.ts"

/** Commands that put things in place. Their code is loaded only when they run. */
export const setup: ReadonlyArray<Command> = [
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
    load: () => import("../Init.ts")
  },
  {
    name: "install",
    summary: "Print or write the files for systemd, Docker, Kubernetes or pg_cron",
    details:
      "The files are those that this version is tested with. --print shows them, each with the place\n" +
      "where it belongs; --write puts them into a directory and never overwrites one.",
    positionals: [
      {
        name: "target",
        choices: ["systemd", "docker", "k8s", "pg_cron"],
        summary: "systemd, docker, k8s or pg_cron"
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
    load: () => import("../Install.ts")
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
    load: () => import("../SchemaPrint.ts")
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
    load: () => import("../Completions.ts")
  }
]
