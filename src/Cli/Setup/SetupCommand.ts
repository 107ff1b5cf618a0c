import type { Command } from "../Command.ts"
import { functionChoice, output } from "../Parameters.ts"

export const setupCommand: Command = {
  name: "setup",
  summary: "Set up a local or hosted project, including its first scheduled run",
  details:
    "Finds the local stack or the linked project, shows the plan, and asks at most three questions.\n" +
    "Writes the migrations, the functions and config.toml. Runs db push. Sets up the function and an\n" +
    "example integration, and waits for its first run. Running setup again changes nothing. If a step\n" +
    "fails, setup prints the command to run by hand and exits with code 3.",
  positionals: [{ name: "dir", summary: "root of the project", optional: true }],
  flags: [
    { name: "local", summary: "Use the local stack, and start it if it is not running" },
    { name: "linked", summary: "Use the project that supabase link selected" },
    { name: "project-ref", value: "<ref>", summary: "Link this hosted project first" },
    ...functionChoice,
    {
      name: "env-file",
      value: "<path>",
      summary: "Set the secrets from this file (hosted project)"
    },
    { name: "offline", summary: "Only write files; print the commands for the other steps" },
    { name: "serve", summary: "Then tick every minute and serve the page, as serve does" },
    {
      name: "listen",
      value: "<host:port>",
      summary: "With --serve: address to listen on; 127.0.0.1:8787 by default"
    },
    { name: "dry-run", short: "n", summary: "Show what would be done" },
    { name: "yes", short: "y", summary: "Do not ask questions; required without a terminal" },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler setup --dry-run",
    "sync-scheduler setup --local --serve",
    "sync-scheduler setup --project-ref abcdefghijklmnopqrst --yes"
  ],
  load: () => import("./Setup.ts")
}
