import type { Flag, Positional } from "./Command.ts"

export const org: Positional = {
  name: "org",
  summary: "organisation (name or id, or part of either), or an integration's id"
}
export const integration: Positional = {
  name: "integration",
  summary: "integration: type or id, or the start of the id",
  optional: true
}
export const run: Positional = { name: "run", summary: "id of the run, or the start of the id" }

export const output = (...choices: ReadonlyArray<string>): Flag => ({
  name: "output",
  short: "o",
  value: `<${choices.join("|")}>`,
  choices,
  summary: "Output format; text by default"
})

export const shownZone: ReadonlyArray<Flag> = [
  { name: "tz", value: "<zone>", summary: "Show times in this zone; your machine's by default" },
  { name: "utc", summary: "Show times in UTC" }
]

export const timezone: Flag = {
  name: "tz",
  value: "<zone>",
  summary: "Time zone of the schedule, such as Europe/Oslo; UTC by default"
}

/** Selects a kept demo's database instead of the database of a project. */
export const demo: Flag = {
  name: "demo",
  value: "<dir>",
  summary: "Use the demo in this directory, running or stopped"
}

export const scopeFlags: ReadonlyArray<Flag> = [
  { name: "org", value: "<org>", summary: "Only this organisation: name or id, or part of either" },
  {
    name: "integration",
    value: "<integration>",
    repeatable: true,
    summary: "Only this integration: type or id; may be repeated"
  }
]

export const wait: Flag = {
  name: "wait",
  short: "w",
  summary: "Start now and wait until the run ends; exit 3 unless it completes"
}

/** The flags of commands that change something. */
export const acting: ReadonlyArray<Flag> = [
  { name: "reason", value: "<text>", summary: "Reason to record; also confirms the action" },
  { name: "as", value: "<who>", summary: "Actor to record; user@host by default" },
  { name: "yes", short: "y", summary: "Do not ask for confirmation; the reason is then optional" }
]

export const functionChoice: ReadonlyArray<Flag> = [
  {
    name: "function",
    value: "<name>",
    summary: "Name of the sync function; the example integration-sync by default"
  },
  {
    name: "engine",
    value: "<program|edge>",
    choices: ["program", "edge"],
    summary: "What runs ticks: this program (default) or an Edge Function"
  }
]
