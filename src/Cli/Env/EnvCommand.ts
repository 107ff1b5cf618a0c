import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const envCommand: Command = {
  name: "env",
  summary: "Show every setting with its value and source; secrets are masked",
  positionals: [],
  flags: [
    { name: "changed", summary: "Show only explicitly configured settings" },
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler env", "sync-scheduler env --changed", "sync-scheduler env -o json"],
  load: () => import("./Env.ts")
}
