import { Either } from "effect"
import type { Setting } from "./Setting.ts"

/** Where settings come from; the caller reads the process, so that this stays pure. */
export interface Sources {
  /** What was given on the command line, by the key of the setting. Wins over everything. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A file's text; null when there is no such file; Left says why it cannot be read. */
  readonly readFile: (path: string) => Either.Either<string | null, string>
}

/** Where a value came from: `flag`, `credential <name>`, `file <path>`, `environment` or `default`. */
export type Origin = string

/** A setting that is missing or malformed: what, why it matters or is refused, how to fix it. */
export interface Problem {
  readonly key: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** A setting's text as found, null when no source has it. Empty text counts as not set. */
export interface Found {
  readonly text: string | null
  readonly origin: Origin
}

/** The file name under `$CREDENTIALS_DIRECTORY`: `SUPABASE_SECRET_KEY` is `supabase-secret-key`. */
export const credentialName = (key: string): string => key.toLowerCase().replaceAll("_", "-")

const NOT_SET: Found = { text: null, origin: "default" }

const present = (text: string | null | undefined): string | null => {
  const trimmed = text?.trim() ?? ""
  return trimmed === "" ? null : trimmed
}

/**
 * Looks a setting up: flag, then credential file (`$CREDENTIALS_DIRECTORY/<name>`, then the file that `<KEY>_FILE`
 * names), then environment. *Fails with* a Problem when a file that was named cannot be read.
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
        why: `${key} is to be read from it`,
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
    why: `${key} is to be read from it`,
    fix: "Make the file readable for the user that the scheduler runs as."
  }))

/** Reads one setting. Its default when it is not set; a Problem when what is set cannot be used. */
export const resolve = <A>(
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
          why: "it has quotation marks around it",
          fix: "Take the quotation marks off."
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

/** A value as it may be shown: a connection string or a key may have been put where something else belongs. */
const withoutSecrets = (text: string): string =>
  text.replace(/\/\/.*@/, "//...@").replace(/(sb_secret_|eyJ)[\w.-]+/g, "$1...")
