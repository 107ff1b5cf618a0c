import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const invokeCommand: Command = {
  name: "invoke",
  summary: "Try your function once, as a run would, and see how its answer is judged",
  details:
    "Sends a function that is served on this machine the body that a run of this integration would have,\n" +
    'marked as a trial (trigger "trial"). The fence lets it work and records nothing; a function without\n' +
    "the fence may export for real. Exit code 3: a run would not be completed.",
  positionals: [
    {
      name: "org",
      summary: "organisation: its name, its id, or the beginning of it; or an integration's id"
    },
    {
      name: "integration",
      summary: "integration: its type, its id, or the beginning of it",
      optional: true
    }
  ],
  flags: [
    { name: "local", value: "<url>", summary: "Address of the function on this machine" },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler invoke acme --local http://127.0.0.1:54321/functions/v1/integration-sync"
  ],
  load: () => import("./Invoke.ts")
}
