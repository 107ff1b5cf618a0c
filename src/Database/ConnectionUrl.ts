import { Either } from "effect"
import { parseUrl } from "../Domain/Url.ts"

/** The TLS mode, as in libpq. `allow` is treated as `prefer`. */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"

const sslModes: ReadonlyArray<SslMode> = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full"
]

export interface PostgresUrl {
  /** A host name, an address, or the directory of a Unix socket, which begins with `/`. */
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly database: string
  readonly sslMode: SslMode
  /** The root certificates that verify the server's certificate; null for the system's certificates. */
  readonly rootCertificate: string | null
  /** The time limit for a connection, in milliseconds; null if not set. */
  readonly connectTimeoutMs: number | null
}

/**
 * Parses a URL like the one in Supabase's dashboard (`postgres[ql]://user:password@host:port/database`). Understands libpq's
 * parameters `sslmode`, `sslrootcert`, `connect_timeout`, `host` and `port`, and ignores other parameters. Without `sslmode`, a
 * connection to another machine uses `require`, and a local connection uses `prefer`. A `%` that is not followed by two hex
 * digits is literal.
 *
 * Returns Left with an error message if the URL is invalid. The message quotes the invalid character, if there is one. It never
 * contains the whole URL, because the URL contains a password.
 */
export const parsePostgresUrl = (text: string): Either.Either<PostgresUrl, string> => {
  const url = parseUrl(text)
  const isPostgres = /^postgres(ql)?:\/\//.test(text)
  const delimiter = isPostgres && (url?.username ?? "") === "" ? bareDelimiter(text) : undefined
  if (delimiter !== undefined) {
    return Either.left(
      `its password contains an unescaped ${delimiter}, which ends the password early; write ${delimiter} as ${encodeURIComponent(delimiter)}`
    )
  }
  if (url === null || !isPostgres) {
    return Either.left(
      "it is not a URL like postgresql://user:password@host:5432/postgres (special characters percent-encoded)"
    )
  }
  const query = url.searchParams
  const host = query.get("host") ?? (url.hostname.replace(/^\[|\]$/g, "") || "localhost")
  const isLocal = /^(localhost|127\.[\d.]+|::1|\/.*)$/.test(host)
  const mode = query.get("sslmode") ?? (isLocal ? "prefer" : "require")
  const sslMode = sslModes.find((known) => known === mode)
  if (sslMode === undefined) return Either.left(`its sslmode is not one of ${sslModes.join(", ")}`)
  const port = Number(url.port || (query.get("port") ?? "5432"))
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    return Either.left("its port is not a number from 1 to 65535")
  const rootCertificate = query.get("sslrootcert")
  const seconds = Number(query.get("connect_timeout") ?? Number.NaN)
  return Either.gen(function* () {
    const username = (yield* decode("user name", url.username)) || "postgres"
    return {
      hostname: yield* decode("host", host),
      port,
      username,
      password: yield* decode("password", url.password),
      database: (yield* decode("database name", url.pathname.slice(1))) || username,
      // As in libpq, `require` with a root certificate also verifies the server's certificate.
      sslMode: rootCertificate !== null && sslMode === "require" ? "verify-ca" : sslMode,
      rootCertificate: rootCertificate === "system" ? null : rootCertificate,
      connectTimeoutMs: seconds > 0 ? seconds * 1000 : null
    }
  })
}

/**
 * Returns the unescaped `/`, `?` or `#` that ends a password early. A later `@`, outside a parameter's value, shows that the
 * password continues.
 */
const bareDelimiter = (text: string): string | undefined =>
  /^[a-z]+:\/\/[^/?#@]*:[^/?#@]*([/?#])(?:(?![?&]\w+=).)*@/.exec(text)?.[1]

/** Returns Left if the result is not UTF-8, because PostgreSQL would receive a different string. */
const decode = (what: string, text: string): Either.Either<string, string> =>
  Either.try({
    try: () => text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => decodeURIComponent(run)),
    catch: () => {
      const byte = /%[89a-f][0-9a-f]/i.exec(text)?.[0] ?? "a % "
      return `its ${what} contains ${byte}, which is not valid UTF-8; write % as %25`
    }
  })
