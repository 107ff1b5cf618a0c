import type { Flag } from "../Command.ts"

/** How the result is printed. */
export const output = (...choices: ReadonlyArray<string>): Flag => ({
  name: "output",
  short: "o",
  value: `<${choices.join("|")}>`,
  choices,
  summary: "How to print the result; text by default"
})

/** The zone of a schedule that is given on the command line. */
export const timezone: Flag = {
  name: "tz",
  value: "<zone>",
  summary: "Time zone of the schedule, such as Europe/Oslo; UTC by default"
}

/** The database of a demo that was kept, instead of a project's: everything can be tried without one. */
export const demo: Flag = {
  name: "demo",
  value: "<dir>",
  summary: "Use the database that demo --keep <dir> left"
}

/** Which organisation and integrations. */
export const scope: ReadonlyArray<Flag> = [
  { name: "org", value: "<org>", summary: "Only this organisation: name, id, or its beginning" },
  {
    name: "integration",
    value: "<integration>",
    repeatable: true,
    summary: "Only this one: type, id, or its beginning; may be repeated"
  }
]

/** Of commands that change something: who, why, and whether anybody is asked. */
export const acting: ReadonlyArray<Flag> = [
  { name: "reason", value: "<text>", summary: "Why, for the record; asked for on a terminal" },
  { name: "as", value: "<who>", summary: "Who, for the record; user@host by default" },
  { name: "yes", short: "y", summary: "Do not ask; needed where there is no terminal" }
]
