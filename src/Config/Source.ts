import { Either } from "effect"
import type { Setting } from "./Setting.ts"

/** The sources of settings, as provided by the caller. */
export interface Sources {
  /** Command-line options by setting key. Options override all other sources. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Returns a file's text, null if the file does not exist, or Left with the reason if it cannot be read. */
  readonly readFile: (path: string) => Either.Either<string | null, string>
}

/** The source of a value: `flag`, `credential <name>`, `file <path>`, `environment` or `default`. */
export type Origin = string

/** A missing or malformed setting. */
export interface Problem {
  readonly key: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** `text` is null if no source sets the setting. Empty text is treated as unset. */
export interface Found {
  readonly text: string | null
  readonly origin: Origin
}

/** Returns the file name under `$CREDENTIALS_DIRECTORY`: `supabase-secret-key` for `SUPABASE_SECRET_KEY`. */
export const credentialName = (key: string): string => key.toLowerCase().replaceAll("_", "-")

const NOT_SET: Found = { text: null, origin: "default" }

const present = (text: string | null | undefined): string | null => {
  const trimmed = text?.trim() ?? ""
  return trimmed === "" ? null : trimmed
}

/**
 * Finds the text of a setting in the first source that sets it: the flag, `$CREDENTIALS_DIRECTORY/<name>`, the file named in
 * `<KEY>_FILE`, or the environment. *Fails with* a Problem if a named file cannot be read.
 */
export const find = (key: string, sources: Sources): Either.Either<Found, Problem> => {
  const flag = present(sources.flags[key])
  if (flag !== null) return Either.right({ text: flag, origin: "flag" })
  return Either.gen(function* () {
    const directory = present(sources.environment.CREDENTIALS_DIRECTORY)
    if (directory !== null) {
      const path = `${directory}/${credentialName(key)}`
      const text = present(yield* read(key, path, sources))
      if (text !== null) return { text, origin: `credential ${credentialName(key)}` }
    }
    const file = present(sources.environment[`${key}_FILE`])
    if (file !== null) {
      const text = present(yield* read(key, file, sources))
      if (text !== null) return { text, origin: `file ${file}` }
      return yield* Either.left({
        key,
        what: `${key}_FILE names a file that is missing or empty: ${file}`,
        why: `the value of ${key} is read from this file`,
        fix: `Write the value into ${file}, or unset ${key}_FILE.`
      })
    }
    const text = present(sources.environment[key])
    return text === null ? NOT_SET : { text, origin: "environment" }
  })
}

const read = (key: string, path: string, sources: Sources): Either.Either<string | null, Problem> =>
  Either.mapLeft(sources.readFile(path), (reason) => ({
    key,
    what: `${path} cannot be read: ${reason}`,
    why: `the value of ${key} is read from this file`,
    fix: "Make the file readable by the user that the scheduler runs as."
  }))

/** Reads one setting, or returns its default. *Fails with* a Problem if the text is invalid. */
export const resolveSetting = <A>(
  setting: Setting<A>,
  sources: Sources
): Either.Either<{ readonly value: A; readonly found: Found }, Problem> =>
  Either.flatMap(find(setting.key, sources), (found) => {
    if (found.text === null) {
      return Either.right({ value: setting.fallback, found: { ...found, text: setting.initial } })
    }
    const text = found.text
    const from = found.origin === "environment" ? "" : ` (from ${found.origin})`
    const parsed = /^(["']).*\1$/.test(text)
      ? Either.left({
          why: "the value is in quotation marks",
          fix: "Remove the quotation marks."
        })
      : setting.parse(text)
    return Either.mapBoth(parsed, {
      onLeft: ({ why, fix }) => ({
        key: setting.key,
        what: setting.secret
          ? `${setting.key}${from} cannot be used`
          : `${setting.key}${from} is "${withoutSecrets(text).slice(0, 120)}"`,
        why,
        fix
      }),
      onRight: (value) => ({ value, found })
    })
  })

/** Masks secrets, because a user might have put a connection string or a key in the wrong setting. */
const withoutSecrets = (text: string): string =>
  text.replace(/\/\/.*@/, "//...@").replace(/(sb_secret_|eyJ)[\w.-]+/g, "$1...")
