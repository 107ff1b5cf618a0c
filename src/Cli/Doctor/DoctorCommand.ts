import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Check the installation, and show how to fix each problem",
  details:
    "Checks the settings, the key, the database's schema, grants and clock, the schedules, whether ticks\n" +
    "run, and whether the functions respond (to OPTIONS, so nothing is exported). Changes nothing.\n" +
    "Exit code 3 means that something is wrong; 2, 4 and 5 have their usual meanings.",
  positionals: [],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler doctor", "sync-scheduler doctor -o json"],
  load: () => import("./Doctor.ts")
}
