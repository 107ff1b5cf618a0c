import { Either } from "effect"
import type { DurationProblem } from "./Duration.ts"
import type { Outcome } from "./Outcome.ts"

/** The Edge Function that runs ticks. A run must not invoke it, because each tick would start another tick. */
const SCHEDULER = "sync-scheduler"
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/

/**
 * The functions that runs may invoke. Without this restriction, a user who can edit organization_integrations could invoke any
 * function with the service key.
 */
export interface FunctionAccess {
  /** The default function, for integrations without a `function_name`. */
  readonly configured: string
  /** Additional functions, from SYNC_SCHEDULER_FUNCTIONS. */
  readonly allowed: ReadonlyArray<string>
}

/** Returns the function name at the end of a URL. */
export const functionAt = (url: string): string =>
  URL.parse(url)
    ?.pathname.split("/")
    .findLast((part) => part !== "") ?? ""

/** Explains why the function must not be invoked, or returns null if it may be invoked. A null `name` is the default function. */
export const refusalOf = (
  name: string | null,
  { allowed, configured }: FunctionAccess
): string | null => {
  const wanted = name ?? configured
  if (wanted === SCHEDULER) {
    return `"${SCHEDULER}" is the scheduler itself, so it was not invoked. Correct ${name === null ? "SYNC_SCHEDULER_FUNCTION or SYNC_SCHEDULER_FUNCTION_URL" : "the integration's function_name"}.`
  }
  if (wanted === configured || allowed.includes(wanted)) return null
  const known = [...new Set([configured, ...allowed])].filter((one) => one !== SCHEDULER)
  const shown = JSON.stringify(wanted.slice(0, 100))
  const said = `The integration's function_name ${shown} is not an allowed function, so it was not invoked.`
  return NAME.test(wanted)
    ? `${said} To allow it, set SYNC_SCHEDULER_FUNCTIONS=${[...known, wanted].join(",")}`
    : `${said} It is not a valid function name (letters, digits, - and _). Correct it; allowed functions: ${known.join(", ")}.`
}

/** Returns the outcome of a run whose function must not be invoked. A retry would be refused, too. */
export const refused = (message: string): Outcome => ({
  _tag: "Failed",
  httpStatus: null,
  code: "FUNCTION_NOT_ALLOWED",
  message,
  response: null
})

export const functionName = (text: string): Either.Either<string, DurationProblem> =>
  text === SCHEDULER
    ? Either.left({
        why: `"${SCHEDULER}" is the scheduler itself`,
        fix: "Give the name of the function that runs the syncs."
      })
    : NAME.test(text)
      ? Either.right(text)
      : Either.left({
          why: "a function name consists of letters, digits, - and _, and starts with a letter",
          fix: "Write only the function's name; set SYNC_SCHEDULER_FUNCTION_URL for a complete URL."
        })

export const functionNames = (
  text: string
): Either.Either<ReadonlyArray<string>, DurationProblem> =>
  Either.all(
    text
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map(functionName)
  )
