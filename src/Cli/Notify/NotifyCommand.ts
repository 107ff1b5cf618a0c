import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const notifyTestCommand: Command = {
  name: "notify test",
  summary: "Send a test alert and a test ping, and show the results",
  details:
    "Sends an alert and its recovery to SYNC_SCHEDULER_ALERT_WEBHOOK_URL, if it is set. Sends the pings\n" +
    "of one tick to SYNC_SCHEDULER_PING_URL, if it is set. Exit code 3 means that a message was not\n" +
    "accepted.",
  positionals: [],
  flags: [output("text", "json", "jsonl")],
  examples: ["sync-scheduler notify test"],
  load: () => import("./NotifyTest.ts")
}
