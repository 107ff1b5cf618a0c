import { DateTime, Effect, Option } from "effect"
import type { Arguments } from "./Command.ts"
import { type CommandError, usageError } from "./Failure.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Accepts upper case and lower case. */
export const isUuid = (text: string): boolean => UUID.test(text)

/** Returns undefined if the flag is not given. */
export const integerFlag = (
  given: Arguments,
  flag: string,
  min: number,
  max: number
): Effect.Effect<number | undefined, CommandError> => {
  const text = given.value(flag)
  if (text === undefined) return Effect.succeed(undefined)
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max
    ? Effect.succeed(value)
    : Effect.fail(
        usageError(
          `--${flag} is "${text}": it must be a whole number from ${min} to ${max}`,
          `For example: --${flag} ${Math.min(Math.max(10, min), max)}`
        )
      )
}

/** Returns the UUIDs in lower case. */
export const uuidFlags = (
  given: Arguments,
  flag: string
): Effect.Effect<ReadonlyArray<string>, CommandError> =>
  Effect.forEach(given.values(flag), (text) =>
    UUID.test(text)
      ? Effect.succeed(text.toLowerCase())
      : Effect.fail(
          usageError(
            `--${flag} is "${text}": it must be a UUID`,
            "Use an id from the table organization_integrations."
          )
        )
  )

/** Returns epoch milliseconds. Requires a zone, because a time without a zone is ambiguous. */
export const instantFlag = (
  given: Pick<Arguments, "value">,
  flag: string
): Effect.Effect<number | undefined, CommandError> => {
  const text = given.value(flag)
  if (text === undefined) return Effect.succeed(undefined)
  const hasZone = /\d[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/i.test(text)
  const at = hasZone ? DateTime.make(text) : Option.none()
  return Option.match(at, {
    onNone: () =>
      Effect.fail(
        usageError(
          `--${flag} is "${text}": this is not an instant with a time zone`,
          `For example: --${flag} 2026-11-24T00:00:00Z or 2026-11-24T01:00:00+01:00`
        )
      ),
    onSome: (instant) => Effect.succeed(DateTime.toEpochMillis(instant))
  })
}
