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
