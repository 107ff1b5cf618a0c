import type { Command } from "../Command.ts"
import { functionChoice, output } from "../Parameters.ts"

export const setupCommand: Command = {
  name: "setup",
  summary: "From a directory to the first scheduled run, on your machine or hosted",
  details:
    "Finds the project (the local stack of supabase start, else the linked project), shows what it will\n" +
    "do, asks at most three questions, and does it: migrations and functions, config.toml, db push, the\n" +
    "function, an example integration, and its first run. Repeating it changes nothing. A step that\n" +
    "cannot be done prints the command to do by hand, exit code 3.",
  positionals: [{ name: "dir", summary: "root of the project", optional: true }],
  flags: [
    { name: "local", summary: "The local stack; started if it is not running" },
    { name: "linked", summary: "The project that supabase link chose" },
    { name: "project-ref", value: "<ref>", summary: "Link this hosted project first" },
    ...functionChoice,
    {
      name: "env-file",
      value: "<path>",
      summary: "Set the secrets in this file (hosted project)"
    },
    { name: "offline", summary: "Only write files; print the commands for the rest" },
    { name: "serve", summary: "Then tick every minute and serve the page, as serve does" },
    {
      name: "listen",
      value: "<host:port>",
      summary: "With --serve: where to answer HTTP; 127.0.0.1:8787 by default"
    },
    { name: "dry-run", short: "n", summary: "Show what would be done" },
    { name: "yes", short: "y", summary: "Do not ask; needed where there is no terminal" },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler setup --dry-run",
    "sync-scheduler setup --local --serve",
    "sync-scheduler setup --project-ref abcdefghijklmnopqrst --yes"
  ],
  load: () => import("./Setup.ts")
}
