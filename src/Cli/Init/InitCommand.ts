import type { Command } from "../Command.ts"
import { functionChoice, output } from "../Parameters.ts"

export const initCommand: Command = {
  name: "init",
  summary: "Write the migrations and functions into a Supabase project; never over a file",
  details:
    "The part of setup that needs no Supabase CLI. Writes supabase/migrations and supabase/functions (the\n" +
    "fence in _shared, and the example integration-sync) into the project in <dir>, the current directory\n" +
    "by default, and adds the functions to supabase/config.toml. A file that is there is never touched:\n" +
    "with the same text it is unchanged, with another it is reported, exit code 3.",
  positionals: [{ name: "dir", summary: "root of the project", optional: true }],
  flags: [
    ...functionChoice,
    { name: "dry-run", short: "n", summary: "Show what would be written" },
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler init --dry-run", "sync-scheduler init ./my-project"],
  load: () => import("./Init.ts")
}
