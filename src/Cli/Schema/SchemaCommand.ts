import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const schemaPrintCommand: Command = {
  name: "schema print",
  summary: "Print the database migrations as SQL, in order",
  positionals: [],
  flags: [
    { name: "after", value: "<version>", summary: "Only the migrations after this one" },
    {
      name: "only",
      value: "<name>",
      repeatable: true,
      summary: "Only the current definition of this function, table, index, ..."
    },
    output("text", "json", "jsonl")
  ],
  examples: [
    'sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"',
    "sync-scheduler schema print --only claim_sync_runs"
  ],
  load: () => import("./SchemaPrint.ts")
}
