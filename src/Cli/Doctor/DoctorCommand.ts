import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const doctorCommand: Command = {
  name: "doctor",
  summary: "What is wrong with a set-up, and what puts it right",
  details:
    "Looks at the settings, the key, the database's schema, grants and clock, the schedules, whether\n" +
    "ticks continue, and whether the functions answer (with OPTIONS: nothing is exported). Changes\n" +
    "nothing. " +
    "Exit code 3 means that something is wrong; 2, 4 and 5 as everywhere.",
  positionals: [],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler doctor", "sync-scheduler doctor -o json"],
  load: () => import("./Doctor.ts")
}
