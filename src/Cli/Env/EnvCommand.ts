import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const envCommand: Command = {
  name: "env",
  summary: "Every setting, its value and where it comes from; secrets are masked",
  positionals: [],
  flags: [
    { name: "changed", summary: "Only those that are set, not those with their default" },
    output("text", "json", "jsonl")
  ],
  examples: ["sync-scheduler env", "sync-scheduler env --changed", "sync-scheduler env -o json"],
  load: () => import("./Env.ts")
}
