import type { Command } from "../Command.ts"
import { functionChoice, output } from "../Parameters.ts"

export const initCommand: Command = {
  name: "init",
  summary: "Write the migrations and functions into a project; never overwrite a file",
  details:
    "Does the part of setup that does not need the Supabase CLI. Writes supabase/migrations and\n" +
    "supabase/functions into <dir>, by default the current directory: the fence and the example\n" +
    "integration-sync. Adds the functions to supabase/config.toml. Never overwrites an existing file:\n" +
    "if its text differs, init reports the file and exits with code 3.",
  positionals: [{ name: "dir", summary: "root of the project", optional: true }],
  flags: [
    ...functionChoice,
    { name: "dry-run", short: "n", summary: "Show what would be written" },
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler init --dry-run", "sync-scheduler init ./my-project"],
  load: () => import("./Init.ts")
}
