import type { Flag, Positional } from "./Command.ts"

export const org: Positional = {
  name: "org",
  summary: "organisation: its name, its id, or the beginning of it; or an integration's id"
}
export const integration: Positional = {
  name: "integration",
  summary: "integration: its type, its id, or the beginning of it",
  optional: true
}
export const run: Positional = { name: "run", summary: "id of the run, or the beginning of it" }

/** Declares `-o`, the output format. */
export const output = (...choices: ReadonlyArray<string>): Flag => ({
  name: "output",
  short: "o",
  value: `<${choices.join("|")}>`,
  choices,
  summary: "How to print the result; text by default"
})

/** The flags for the zone of a list's times, and of dates in its arguments. */
export const shownZone: ReadonlyArray<Flag> = [
  { name: "tz", value: "<zone>", summary: "Show times in this zone; your machine's by default" },
  { name: "utc", summary: "Show times in UTC" }
]

/** The flag for the zone of a schedule on the command line. */
export const timezone: Flag = {
  name: "tz",
  value: "<zone>",
  summary: "Time zone of the schedule, such as Europe/Oslo; UTC by default"
}

/** The flag for the database of a kept demo instead of a project's, so that every command can be tried without a project. */
export const demo: Flag = {
  name: "demo",
  value: "<dir>",
  summary: "Ask the demo in this directory, running or kept"
}

/** The flags that select an organisation and integrations. */
export const scopeFlags: ReadonlyArray<Flag> = [
  { name: "org", value: "<org>", summary: "Only this organisation: name, id, or its beginning" },
  {
    name: "integration",
    value: "<integration>",
    repeatable: true,
    summary: "Only this one: type, id, or its beginning; may be repeated"
  }
]

/** The flag of commands that start a run. */
export const wait: Flag = {
  name: "wait",
  short: "w",
  summary: "Start it now and wait until it ends; exit 3 unless it completes"
}

/** The flags of commands that change something: actor, reason, and confirmation. */
export const acting: ReadonlyArray<Flag> = [
  { name: "reason", value: "<text>", summary: "Why, for the record; given, nothing is asked" },
  { name: "as", value: "<who>", summary: "Who, for the record; user@host by default" },
  { name: "yes", short: "y", summary: "Ask nothing; the reason is optional then" }
]

/** Selects the functions of a project. */
export const functionChoice: ReadonlyArray<Flag> = [
  {
    name: "function",
    value: "<name>",
    summary: "The function that syncs; integration-sync, the example, by default"
  },
  {
    name: "engine",
    value: "<program|edge>",
    choices: ["program", "edge"],
    summary: "Who ticks: this program (default), or an Edge Function and pg_cron"
  }
]
