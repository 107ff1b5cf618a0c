import type { Command } from "../Command.ts"
import { output } from "../Parameters.ts"

export const installCommand: Command = {
  name: "install",
  summary: "Print or write the files for systemd, Docker, Kubernetes or pg_cron",
  details:
    "These files are tested with this version. --print shows each file with its destination. --write\n" +
    "writes the files into a directory, and never overwrites a file.",
  positionals: [
    {
      name: "target",
      choices: ["systemd", "docker", "k8s", "pg_cron"],
      summary: "systemd, docker, k8s or pg_cron"
    }
  ],
  flags: [
    { name: "print", summary: "Print the files" },
    { name: "write", value: "<dir>", summary: "Write the files into this directory instead" },
    output("text", "json", "jsonl")
  ],
  examples: [
    "sync-scheduler install systemd --print",
    "sync-scheduler install k8s --write ./deploy"
  ],
  load: () => import("./Install.ts")
}
