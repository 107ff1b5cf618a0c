import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const notifyTestCommand: Command = {
  name: "notify test",
  summary: "Send a test alert and a test ping, and show the results",
  details:
    "Sends an opening and a recovery alert to SYNC_SCHEDULER_ALERT_WEBHOOK_URL, and the pings of one tick\n" +
    "to SYNC_SCHEDULER_PING_URL, if they are set. Exit code 3 means that a message was not accepted.",
  positionals: [],
  flags: [output("text", "json", "jsonl")],
  examples: ["sync-scheduler notify test"],
  load: () => import("./NotifyTest.ts")
}
