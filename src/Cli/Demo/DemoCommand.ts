import type { Command } from "../Command.ts"
import { output, shownZone } from "../Parameters.ts"

export const demoCommand: Command = {
  name: "demo",
  summary: "Run one tick on an embedded database; needs no project",
  details:
    "Starts an embedded PostgreSQL with the real schema and a small function server on this machine,\n" +
    "makes three integrations due, and runs one tick. One of the three fails, as an example.",
  positionals: [],
  flags: [
    { name: "keep", value: "<dir>", summary: "Keep the database in this directory" },
    ...shownZone,
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler demo", "sync-scheduler demo --keep ./demo-data"],
  load: () => import("./Demo.ts")
}
