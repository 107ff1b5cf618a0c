import { Either, Redacted } from "effect"
import { parsePostgresUrl } from "../Database/ConnectionUrl.ts"
import { type DurationProblem, format, parse as parseDuration } from "../Domain/Duration.ts"
import { keyKind } from "../Domain/SupabaseKey.ts"
import { parseUrl } from "../Domain/Url.ts"

/** `initial` is the default as a user would write it. A secret's value is Redacted and never appears in a message. */
export interface Setting<A> {
  readonly key: string
  readonly description: string
  readonly example: string
  readonly secret: boolean
  readonly initial: string | null
  readonly fallback: A
  readonly parse: (text: string) => Either.Either<A, DurationProblem>
}

export type Parser<A> = (text: string) => Either.Either<A, DurationProblem>

const refuse = (why: string, fix: string): Either.Either<never, DurationProblem> =>
  Either.left({ why, fix })

export const optional = <A>(
  key: string,
  description: string,
  example: string,
  parse: Parser<A>
): Setting<A | null> => ({
  key,
  description,
  example,
  secret: false,
  initial: null,
  fallback: null,
  parse
})

/** Makes an optional setting whose value is never shown. */
export const secret = (
  key: string,
  description: string,
  example: string,
  check: (text: string) => Either.Either<string, DurationProblem>
): Setting<Redacted.Redacted<string> | null> => ({
  key,
  description,
  example,
  secret: true,
  initial: null,
  fallback: null,
  parse: (text) => Either.map(check(text), Redacted.make)
})

/** Throws at start-up if the default does not parse. */
export const withDefault = <A>(
  key: string,
  initial: string,
  description: string,
  parse: Parser<A>
): Setting<A> => ({
  key,
  description,
  example: initial,
  secret: false,
  initial,
  fallback: Either.getOrThrow(parse(initial)),
  parse
})

export const integer =
  (min: number, max: number): Parser<number> =>
  (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max
      ? Either.right(value)
      : refuse(
          `it must be a whole number from ${min} to ${max}`,
          `Write a number from ${min} to ${max}.`
        )
  }

/** Parses a duration into milliseconds. */
export const duration =
  (min: string, max: string): Parser<number> =>
  (text) => {
    const least = Either.getOrThrow(parseDuration(min))
    const most = Either.getOrThrow(parseDuration(max))
    return Either.flatMap(parseDuration(text), (ms) =>
      ms >= least && ms <= most
        ? Either.right(ms)
        : refuse(
            `${format(ms)} is outside ${min} to ${max}`,
            `Write a duration from ${min} to ${max}.`
          )
    )
  }

export const oneOf =
  <const W extends string>(words: ReadonlyArray<W>): Parser<W> =>
  (text) => {
    const word = words.find((known) => known === text.toLowerCase())
    return word === undefined
      ? refuse(`it must be one of ${words.join(", ")}`, `Write one of ${words.join(", ")}.`)
      : Either.right(word)
  }

export const pattern =
  (form: RegExp, why: string, fix: string): Parser<string> =>
  (text) =>
    form.test(text) ? Either.right(text) : refuse(why, fix)

/** Parses comma-separated host names or addresses, without scheme or port, and converts the names to lower case. */
export const hostNames: Parser<ReadonlyArray<string>> = (text) => {
  const names = text.split(",").map((name) => name.trim().toLowerCase())
  return names.every((name) => /^(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])$/.test(name))
    ? Either.right(names)
    : refuse(
        "it is not a list of host names",
        "Write only host names, without https:// or a port: sync.example.com,sync.internal"
      )
}

/** Parses an http or https URL without credentials, and removes trailing slashes. */
export const httpUrl: Parser<string> = (text) => {
  const url = parseUrl(text)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return refuse("it is not an http or https URL", "Write the complete URL, including https://.")
  }
  if (url.username !== "" || url.password !== "") {
    return refuse("it contains a user name or password", "Remove everything up to the @.")
  }
  return Either.right(text.replace(/\/+$/, ""))
}

const DASHBOARD = /supabase\.(?:com|green)\/dashboard\/project\/([a-z0-9]+)/

/** Parses the address of a Supabase project: scheme, host and optional port, without path or query. */
export const projectUrl: Parser<string> = (text) => {
  const form = "https://<project-ref>.supabase.co"
  if (/^postgres(ql)?:/.test(text)) {
    return refuse(
      "it is a database connection string",
      `Set SUPABASE_DB_URL to this string, and SUPABASE_URL to ${form}.`
    )
  }
  const dashboard = DASHBOARD.exec(text)
  if (dashboard !== null) {
    return refuse(
      "it is the dashboard's URL",
      `Write https://${dashboard[1] ?? "<project-ref>"}.supabase.co.`
    )
  }
  return Either.flatMap(httpUrl(text), () => {
    const url = new URL(text)
    return /^\/*$/.test(url.pathname) && url.search === "" && url.hash === ""
      ? Either.right(url.origin)
      : refuse("it contains more than the scheme and the host", `Write ${url.origin}.`)
  })
}

/** Error messages never quote the connection string, because it contains a password. */
export const databaseUrl = (text: string): Either.Either<string, DurationProblem> => {
  const form = "postgresql://<user>:<password>@<host>:5432/postgres"
  if (/\[YOUR-PASSWORD\]/i.test(text)) {
    return refuse(
      "it still contains [YOUR-PASSWORD]",
      "Replace it with the database's password, percent-encoded."
    )
  }
  if (!/^postgres(ql)?:\/\//.test(text)) {
    return refuse("it does not begin with postgres:// or postgresql://", `Write ${form}.`)
  }
  return Either.mapBoth(parsePostgresUrl(text), {
    onLeft: (why) => ({
      why,
      fix: `Write ${form} with the password percent-encoded (@ is %40, # is %23, / is %2F).`
    }),
    onRight: () => text
  })
}

/** Rejects a key whose format shows that it lacks the required privileges, so that the engine never sends it. */
export const serviceKey = (text: string): Either.Either<string, DurationProblem> => {
  const fix =
    "Use a secret key (sb_secret_..., Dashboard: Project Settings, API Keys), or the legacy service_role key."
  if (!/^[\u0021-\u007e]+$/.test(text)) {
    return refuse(
      "it contains spaces, line breaks or other characters that a key cannot contain",
      fix
    )
  }
  const kind = keyKind(text)
  if (kind === "publishable") {
    return refuse("it is a publishable key, which cannot call the scheduler's functions", fix)
  }
  return kind === "anon"
    ? refuse("it is the anon key, which cannot call the scheduler's functions", fix)
    : Either.right(text)
}

/** Parses a webhook signing key: base64 after `whsec_`, or any text of at least 16 characters. */
export const signingSecret = (text: string): Either.Either<string, DurationProblem> => {
  const fix = 'Create one with: echo "whsec_$(openssl rand -base64 32)"'
  const base64 = /^whsec_(.*)$/.exec(text)?.[1]
  if (base64 === undefined) {
    return /^\S{16,}$/.test(text)
      ? Either.right(text)
      : refuse("it contains spaces, or is shorter than 16 characters", fix)
  }
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64) &&
    base64.length >= 32
    ? Either.right(text)
    : refuse("the text after whsec_ is not base64 of at least 24 bytes", fix)
}
