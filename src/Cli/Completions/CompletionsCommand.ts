import type { Command } from "../Command.ts"

export const completionsCommand: Command = {
  name: "completions",
  summary: "Print a completion script for your shell",
  positionals: [{ name: "shell", choices: ["bash", "zsh", "fish"], summary: "bash, zsh or fish" }],
  flags: [],
  examples: [
    "sync-scheduler completions bash > /etc/bash_completion.d/sync-scheduler",
    "sync-scheduler completions fish > ~/.config/fish/completions/sync-scheduler.fish"
  ],
  load: () => import("./Completions.ts")
}
