import type { Command } from "../Command.ts"
import { demo, output } from "../Parameters.ts"

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Check the installation, and show how to fix each problem",
  details:
    "Checks the settings, the key, the database, the schedules, the ticks and the functions. Changes\n" +
    "nothing. Functions receive only OPTIONS requests, which export nothing. Exit code 3 means that\n" +
    "doctor found a problem. 2, 4 and 5 have their usual meanings.",
  positionals: [],
  flags: [demo, output("text", "json", "jsonl")],
  examples: ["sync-scheduler doctor", "sync-scheduler doctor -o json"],
  load: () => import("./Doctor.ts")
}
