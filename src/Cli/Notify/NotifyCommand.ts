import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const notifyTestCommand: Command = {
  name: "notify test",
  summary: "Send a test alert and a test ping, and show the results",
  details:
    "Sends one opening and one recovery to SYNC_SCHEDULER_ALERT_WEBHOOK_URL, and one tick's pings to\n" +
    "SYNC_SCHEDULER_PING_URL, whichever are set. Exit code 3 means that one was not taken.",
  positionals: [],
  flags: [output("text", "json", "jsonl")],
  examples: ["sync-scheduler notify test"],
  load: () => import("./NotifyTest.ts")
}
