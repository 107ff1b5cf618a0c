import type { PostgresUrl } from "./ConnectionUrl.ts"
import { type CodeVerdict, GRANT, judgeCode } from "./SqlState.ts"

export interface DirectFailure {
  /** The SQLSTATE, or the driver's own code. */
  readonly code: string
  readonly message: string
  /** False if the statement was not sent because no connection was made. */
  readonly sent: boolean
  /** The host's addresses; null if a connection was made or the look-up failed. */
  readonly addresses: ReadonlyArray<string> | null
}

/** The verdict on a failure. `hint` says what to change in SUPABASE_DB_URL or what to check. It is null if there is no advice. */
export interface DirectVerdict extends CodeVerdict {
  readonly hint: string | null
  /** True if waiting cannot help, because the address, the user or the certificate is wrong. */
  readonly isPermanent: boolean
}

type Place = Pick<PostgresUrl, "hostname" | "port" | "username" | "sslMode">

/** A known cause of failures. The first cause whose patterns match the code and the message applies. */
interface Cause {
  readonly code: RegExp
  readonly message?: RegExp
  readonly reason?: "Missing"
  readonly why: string
  readonly hint: (place: Place) => string
  readonly isPermanent?: true
}

const POOLER_USER =
  "For Supabase's pooler, the user in SUPABASE_DB_URL must be postgres.<project-ref>: copy the whole URL (Dashboard: Connect, Session pooler)."

const passwordCause = {
  why: "the password is wrong",
  hint: ({ username }: Place) =>
    `Set the password of ${roleOf(username)} in SUPABASE_DB_URL, percent-encoded (Dashboard: Database, Settings, Reset database password).`
}

/**
 * Reasons why the server rejects a connection. Only an operator can fix them.
 * *Source*: the messages of PostgreSQL and Supavisor, which uses XX000 for all of its own errors.
 */
const refusals: ReadonlyArray<Cause> = [
  {
    code: /^(XX000|08P01|28000)$/,
    message: /tenant|no such user|external_id/i,
    why: "the pooler does not know this project or user",
    hint: () => POOLER_USER
  },
  { code: /^28P01$/, ...passwordCause },
  { code: /AUTHENTICATION|SASL|CHANNEL_BINDING/, ...passwordCause },
  {
    code: /^28000$/,
    message: /pg_hba|encryption|SSL/i,
    why: "the server does not accept this user from this machine",
    hint: ({ sslMode }) =>
      sslMode === "disable"
        ? "Remove sslmode=disable from SUPABASE_DB_URL, or allow this machine's address (Dashboard: Database, Settings, Network restrictions)."
        : "Allow this machine's address (Dashboard: Database, Settings, Network restrictions), or correct the user in SUPABASE_DB_URL."
  },
  {
    code: /^28000$/,
    message: /not permitted to log in/,
    why: "the database does not accept this user",
    hint: ({ username }) => `alter role "${roleOf(username)}" login;`
  },
  {
    code: /^28000$/,
    why: "the database does not accept this user",
    hint: () =>
      "Correct the user in SUPABASE_DB_URL; on Supabase it is postgres (behind its pooler postgres.<project-ref>)."
  },
  {
    code: /^3D000$/,
    reason: "Missing",
    why: "the database named at the end of SUPABASE_DB_URL does not exist",
    hint: () => "Correct the name at the end of SUPABASE_DB_URL; on Supabase it is postgres."
  },
  {
    code: /^42501$/,
    why: "the user in SUPABASE_DB_URL lacks a grant",
    hint: ({ username }) =>
      `Use postgres in SUPABASE_DB_URL, or run as postgres: grant service_role to "${roleOf(username)}"; If the user already has that role, run: ${GRANT}`
  }
]

const obstacles: ReadonlyArray<Cause> = [
  {
    code: /^(XX000|53300)$/,
    message: /max.?clients|pool_size|too many (clients|connections)/i,
    why: "the server has no free connection",
    hint: ({ port }) =>
      port === 6543
        ? "Enlarge the pool (Dashboard: Database, Settings, Connection pooling)."
        : "Use the pooler's transaction mode (port 6543) in SUPABASE_DB_URL, or enlarge its pool."
  },
  {
    code: /TLS_NOT_AVAILABLE/,
    isPermanent: true,
    why: "the server does not support TLS",
    hint: () =>
      "Check the host and port in SUPABASE_DB_URL. Use sslmode=disable only in a network that you trust: it sends the password unencrypted."
  },
  {
    code: /CERT|^UNABLE_TO_|^INVALID_|^PATH_LENGTH|TLS_UPGRADE|HOSTNAME_MISMATCH/,
    isPermanent: true,
    why: "the server's certificate is not trusted",
    hint: () =>
      "Add sslrootcert=<file> to SUPABASE_DB_URL (Dashboard: Database, Settings, SSL configuration, Download certificate)."
  }
]

/** If no connection was made, the statement was not sent, regardless of the error code. */
export const judgeDirect = (failure: DirectFailure, place: Place): DirectVerdict => {
  const refusal = refusals.find((cause) => fits(cause, failure))
  if (refusal !== undefined) {
    const { reason = "Refused", why } = refusal
    return { reason, why, hint: refusal.hint(place), isPermanent: true }
  }
  const known = judgeCode(failure.code, 0, failure.message)
  const reason = known.reason === "Ambiguous" && !failure.sent ? "NotExecuted" : known.reason
  const obstacle = obstacles.find((cause) => fits(cause, failure))
  if (obstacle !== undefined) {
    const { isPermanent = false, why } = obstacle
    return { reason, why, hint: obstacle.hint(place), isPermanent }
  }
  if (/^ERR_|^unknown$/.test(failure.code)) return { reason, ...unreached(failure, place) }
  return {
    reason,
    why: known.why,
    hint:
      reason === "NotExecuted" ? "Check that the database in SUPABASE_DB_URL is running." : null,
    isPermanent: false
  }
}

const fits = ({ code, message }: Cause, failure: DirectFailure): boolean =>
  code.test(failure.code) && (message?.test(failure.message) ?? true)

/** The user name of Supabase's pooler is `<role>.<project-ref>`. */
const roleOf = (username: string): string => username.split(".")[0] ?? username

const unreached = ({ addresses, sent }: DirectFailure, place: Place) => {
  const server = `${place.hostname}:${place.port}`
  if (sent) {
    return {
      why: `the connection to ${server} was lost`,
      hint: `Check the network to ${server}.`,
      isPermanent: false
    }
  }
  if (addresses?.length === 0) {
    return {
      why: `the host name ${place.hostname} has no address`,
      hint: `Correct the host in SUPABASE_DB_URL (Dashboard: Connect), or this machine's DNS. A paused project has no address either.`,
      isPermanent: true
    }
  }
  if (addresses?.every((address) => address.includes(":") && address !== "::1")) {
    return {
      why: `could not connect to ${server}, which has IPv6 addresses only`,
      hint: IPV4,
      // Waiting can help, because a server that is restarting causes the same failure on a machine with IPv6.
      isPermanent: false
    }
  }
  return {
    why: `could not connect to ${server}`,
    hint: "Check the host and port in SUPABASE_DB_URL, and that the database is running.",
    isPermanent: false
  }
}

/** Without the IPv4 add-on, Supabase's host for direct connections has no IPv4 address. Its poolers always have one. */
const IPV4 =
  "If this machine has no IPv6, use the session pooler in SUPABASE_DB_URL (Dashboard: Connect, Session pooler; the user is postgres.<project-ref>), or enable the IPv4 add-on."
