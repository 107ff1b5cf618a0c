import type { Command } from "../Command.ts"
import { output, shownZone } from "../Parameters.ts"

export const demoCommand: Command = {
  name: "demo",
  summary: "A whole tick on an embedded database; needs nothing",
  details:
    "Starts an embedded PostgreSQL with the real schema and a small function server on this machine,\n" +
    "makes three integrations due, and runs one tick. One of the three fails, to show how that looks.",
  positionals: [],
  flags: [
    { name: "keep", value: "<dir>", summary: "Keep the database in this directory" },
    ...shownZone,
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler demo", "sync-scheduler demo --keep ./demo-data"],
  load: () => import("./Demo.ts")
}
