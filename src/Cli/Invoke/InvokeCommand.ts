import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const invokeCommand: Command = {
  name: "invoke",
  summary: "Call your function once, as a run would, and interpret its response",
  details:
    "Calls a function on this machine with the request of a run of this integration. The request is\n" +
    'marked as a trial (trigger "trial"). The fence lets the function run, and records nothing.\n' +
    "A function without the fence can export real data. Exit code 3 means that a real run would not\n" +
    "complete.",
  positionals: [
    {
      name: "org",
      summary: "organisation (name or id, or part of either), or an integration's id"
    },
    {
      name: "integration",
      summary: "integration: type or id, or the start of the id",
      optional: true
    }
  ],
  flags: [
    { name: "local", value: "<url>", summary: "URL of the function on this machine" },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler invoke acme --local http://127.0.0.1:54321/functions/v1/integration-sync"
  ],
  load: () => import("./Invoke.ts")
}
