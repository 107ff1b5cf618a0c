import type { Command } from "../Command.ts"
import { functionChoice, output } from "../Parameters.ts"

export const initCommand: Command = {
  name: "init",
  summary: "Write the migrations and functions into a project; never overwrite a file",
  details:
    "Does the part of setup that does not need the Supabase CLI. Writes supabase/migrations and\n" +
    "supabase/functions (the fence in _shared, and the example integration-sync) into the project in\n" +
    "<dir> (by default the current directory), and adds the functions to supabase/config.toml. An\n" +
    "existing file is never overwritten; if its text differs, init reports it and exits with code 3.",
  positionals: [{ name: "dir", summary: "root of the project", optional: true }],
  flags: [
    ...functionChoice,
    { name: "dry-run", short: "n", summary: "Show what would be written" },
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler init --dry-run", "sync-scheduler init ./my-project"],
  load: () => import("./Init.ts")
}
