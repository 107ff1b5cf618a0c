import { Either } from "effect"

export interface ExpressionProblem {
  readonly detail: string
  readonly hint: string
}

/** The maximum length of an expression, in characters. */
export const MAX_LENGTH = 256

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly names: ReadonlyArray<string>
}

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"]
])

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
const FIELDS: ReadonlyArray<Field> = [
  { name: "second", min: 0, max: 59, names: [] },
  { name: "minute", min: 0, max: 59, names: [] },
  { name: "hour", min: 0, max: 23, names: [] },
  { name: "day-of-month", min: 1, max: 31, names: [] },
  { name: "month", min: 1, max: 12, names: MONTHS },
  { name: "day-of-week", min: 0, max: 6, names: WEEKDAYS }
]
const ORDER = "minute hour day-of-month month day-of-week, with seconds first when there are six"

const fault = (detail: string, hint: string): Either.Either<never, ExpressionProblem> =>
  Either.left({ detail, hint })

/** Characters that other parsers accept, each with advice on what to write instead. */
const REPLACEMENTS: ReadonlyMap<string, string> = new Map([
  [
    "?",
    "Write * instead. Note that weekdays are numbered from 0 = Sunday here, but from 1 in Quartz."
  ],
  ["+", "Write either the day of month or the weekday; if both are set, either matches."],
  [":", "A schedule repeats. For a single run, use a manual trigger instead of a date and time."],
  ["=", "The time zone is a separate setting, not part of the expression."]
])

/** Splits an expression into six fields, seconds first. Does not check the meaning of the fields. */
export const splitFields = (
  expression: string
): Either.Either<ReadonlyArray<string>, ExpressionProblem> => {
  if (expression.length > MAX_LENGTH) {
    return fault(
      `the expression has ${expression.length} characters; at most ${MAX_LENGTH} are allowed`,
      "Use ranges and steps instead of long lists, or split the schedule between two integrations."
    )
  }
  const text = expression.trim()
  if (text === "") return fault("the expression is empty", `Write five fields: ${ORDER}.`)
  if (text.startsWith("@")) {
    const meaning = NICKNAMES.get(text.toLowerCase())
    if (meaning !== undefined) return Either.right(["0", ...meaning.split(" ")])
    return fault(`the nickname "${text}" is not known`, `Use ${[...NICKNAMES.keys()].join(" ")}.`)
  }
  const strange = text.match(/[^0-9A-Za-z*,/#\s-]/u)?.[0]
  if (strange !== undefined) {
    const hint =
      REPLACEMENTS.get(strange) ?? "Use digits, names such as MON or JAN, and * , - / L W #."
    return fault(`the character "${strange}" has no meaning in a schedule`, hint)
  }
  const fields = text.split(/\s+/)
  if (fields.length === 5) return Either.right(["0", ...fields])
  if (fields.length === 6) return Either.right(fields)
  const hint =
    fields.length === 7
      ? "Leave out the year: schedules repeat every year."
      : `Write ${ORDER}. For example 0 2 * * * is every day at 02:00.`
  const count = fields.length === 1 ? "1 field" : `${fields.length} fields`
  return fault(`the expression has ${count}; five or six are needed`, hint)
}

/** Returns whether the minute or hour field has a wildcard or a step. True for `0-59/20 2 * * *`, false for `0,30 2 * * *`. */
export const isIntervalLike = ([, minute = "", hour = ""]: ReadonlyArray<string>): boolean =>
  /[*/]/.test(minute) || /[*/]/.test(hour)

const numberOf = (field: Field, text: string): number => {
  const index = field.names.indexOf(text.toUpperCase())
  return index >= 0 ? index + field.min : /^\d+$/.test(text) ? Number(text) : Number.NaN
}

const span = (from: number, to: number): string => (from === to ? `${from}` : `${from}-${to}`)

const rangeFault = (field: Field, from: number, to: number): ExpressionProblem | undefined => {
  const { max, min, name } = field
  const top = name === "day-of-week" ? 7 : max
  const outside = [from, to].find((value) => value < min || value > top)
  if (outside !== undefined) {
    return {
      detail: `${outside} is out of range`,
      hint: `The ${name} field takes ${min} to ${top}.`
    }
  }
  if (from <= to) return undefined
  return {
    detail: "the range is reversed",
    hint: `Write ${span(from, max)},${span(min, to)} to wrap around the end of the field.`
  }
}

/** Detects common mistakes in one comma-separated item of a field. */
const itemFault = (field: Field, item: string): ExpressionProblem | undefined => {
  const { max, min, name, names } = field
  if (item === "") return { detail: "a value is missing", hint: "Remove the extra comma." }
  const [range = "", step] = item.split("/")
  if (step !== undefined && range !== "*" && !range.includes("-")) {
    const from = range === "" || Number.isNaN(numberOf(field, range)) ? "*" : `${range}-${max}`
    return {
      detail: "a step needs a range before it",
      hint: `Write ${from}/${/^\d+$/.test(step) ? step : 2}.`
    }
  }
  const steps = max - min + 1
  if (step !== undefined && !(Number(step) >= 1 && Number(step) <= steps)) {
    return {
      detail: `the step must be a number from 1 to ${steps}`,
      hint: `A step counts within the ${name} field and restarts at the field's first value.`
    }
  }
  const [from = "", to = from] = range.replace(/(#.*|L)$/i, "").split("-")
  const fromNumber = numberOf(field, from)
  const toNumber = numberOf(field, to)
  if (!Number.isNaN(fromNumber) && !Number.isNaN(toNumber)) {
    return rangeFault(field, fromNumber, toNumber)
  }
  const word = item.match(/[A-Z]{3,}/i)?.[0]
  if (word === undefined || names.includes(word.toUpperCase())) return undefined
  return {
    detail: `the name "${word}" is not valid in this field`,
    hint:
      names.length > 0 ? `Use ${names.join(" ")}.` : "Names belong in the month and weekday fields."
  }
}

/** Explains a parser error and says what to write instead. Falls back to the parser's own message. */
export const explainExpression = (
  fields: ReadonlyArray<string>,
  refusal: string
): ExpressionProblem => {
  for (const [index, field] of FIELDS.entries()) {
    for (const item of (fields[index] ?? "").split(",")) {
      const found = itemFault(field, item)
      if (found === undefined) continue
      return { detail: `${field.name} "${fields[index]}": ${found.detail}`, hint: found.hint }
    }
  }
  return {
    detail: refusal.replace(/^CronPattern: (Syntax error, )?/, ""),
    hint: "Use L for the last day of a month (L) or the last such weekday (5L), W for the nearest weekday (15W), and # for the n-th weekday, 1 to 5 (MON#2)."
  }
}
