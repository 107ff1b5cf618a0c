import { Either } from "effect"
import { parseUrl } from "./Url.ts"

/** How a connection is protected, in libpq's words. `allow` is treated as `prefer`. */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"

const sslModes: ReadonlyArray<SslMode> = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full"
]

/** Where a database is, and as whom to connect. */
export interface PostgresUrl {
  /** A host name or address; a directory of a unix socket when it begins with `/`. */
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly database: string
  readonly sslMode: SslMode
  /** Path of the certificates to verify the server's with; null: the system's. */
  readonly rootCertificate: string | null
  /** How long to wait for a connection, in milliseconds; null: not said. */
  readonly connectTimeoutMs: number | null
}

/**
 * Reads `postgres[ql]://user:password@host:port/database`, as Supabase's dashboard shows it, with libpq's parameters
 * `sslmode`, `sslrootcert`, `connect_timeout`, `host` and `port`. Others, such as `pgbouncer=true`, are for other
 * clients and left out. Without sslmode a connection that leaves the machine is `require`d to be encrypted, any other
 * `prefer`s it. Left: what is wrong, never with the URL, which has a password in it.
 */
export const parsePostgresUrl = (text: string): Either.Either<PostgresUrl, string> => {
  const url = parseUrl(text)
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    return Either.left(
      "it is not a URL like postgresql://user:password@host:5432/postgres (special characters percent-encoded)"
    )
  }
  const query = url.searchParams
  const hostname = query.get("host") ?? (url.hostname.replace(/^\[|\]$/g, "") || "localhost")
  const isLocal = /^(localhost|127\.[\d.]+|::1|\/.*)$/.test(hostname)
  const mode = query.get("sslmode") ?? (isLocal ? "prefer" : "require")
  const sslMode = sslModes.find((known) => known === mode)
  if (sslMode === undefined) return Either.left(`its sslmode is not one of ${sslModes.join(", ")}`)
  const port = Number(url.port || (query.get("port") ?? "5432"))
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return Either.left("its port is wrong")
  const rootCertificate = query.get("sslrootcert")
  const username = decode(url.username) || "postgres"
  const seconds = Number(query.get("connect_timeout") ?? Number.NaN)
  return Either.right({
    hostname: decode(hostname),
    port,
    username,
    password: decode(url.password),
    database: decode(url.pathname.slice(1)) || username,
    // As libpq does: who names a certificate wants it to be checked.
    sslMode: rootCertificate !== null && sslMode === "require" ? "verify-ca" : sslMode,
    rootCertificate: rootCertificate === "system" ? null : rootCertificate,
    connectTimeoutMs: seconds > 0 ? seconds * 1000 : null
  })
}

/** A stray `%` stands for itself. */
const decode = (text: string): string =>
  Either.getOrElse(
    Either.try(() => decodeURIComponent(text)),
    () => text
  )
