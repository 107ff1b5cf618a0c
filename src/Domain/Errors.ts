import { Schema } from "effect"

/**
 * A call of a SQL function that did not give a decoded answer. The reason decides policy:
 *
 * - `NotExecuted`: proven to have had no effect (never connected, rolled back). Safe to repeat.
 * - `Ambiguous`: it may have been committed (connection lost, deadline, gateway error). Repeat only with the same token.
 * - `Refused`: the key or role is not allowed. Stop and page; repeating cannot help.
 * - `Missing`: the function or a table is not there. The migrations were not applied, or are older than the engine.
 * - `Rejected`: the database refused this very call (constraint, bad argument, raised error). A bug or bad data.
 * - `Malformed`: an answer came that is not what the contract promises. Treated as ambiguous for writes.
 *
 * `code` is the SQLSTATE, the PostgREST code or the HTTP status, whichever was the most precise.
 */
export class SupabaseError extends Schema.TaggedError<SupabaseError>()("SupabaseError", {
  operation: Schema.String,
  reason: Schema.Literal("NotExecuted", "Ambiguous", "Refused", "Missing", "Rejected", "Malformed"),
  code: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.operation}: ${this.detail} (${this.reason}, ${this.code})`
  }
}

/**
 * An invocation that gave no HTTP answer to judge.
 *
 * - `NotSent`: the connection was never made (refused, DNS, TLS), so the function cannot have run.
 * - `TimedOut`: no complete answer before the deadline. The function may still be working.
 * - `Disconnected`: the connection broke after the request may have left.
 */
export class InvokeError extends Schema.TaggedError<InvokeError>()("InvokeError", {
  reason: Schema.Literal("NotSent", "TimedOut", "Disconnected"),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

/**
 * A schedule that cannot be computed.
 *
 * - `Expression`: the cron expression does not parse.
 * - `Timezone`: the zone is not an IANA time zone.
 * - `Impossible`: it parses, but no date ever matches (`0 0 30 2 *`).
 *
 * `detail` says what and why; `hint` says how to fix it.
 */
export class ScheduleError extends Schema.TaggedError<ScheduleError>()("ScheduleError", {
  reason: Schema.Literal("Expression", "Timezone", "Impossible"),
  expression: Schema.String,
  timezone: Schema.String,
  detail: Schema.String,
  hint: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * Binary and database do not belong together. Nothing is claimed or invoked.
 *
 * - `DatabaseTooOld`: the database lacks what this engine calls. Apply the migrations.
 * - `EngineTooOld`: a migration says that engines as old as this one do not work any more. Update the binary.
 *
 * `database` and `engine` are the newest migrations that each knows.
 */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()("SchemaMismatch", {
  reason: Schema.Literal("DatabaseTooOld", "EngineTooOld"),
  database: Schema.String,
  engine: Schema.String
}) {
  override get message(): string {
    return this.reason === "DatabaseTooOld"
      ? `The database's schema (${this.database}) is too old for this version, which brings ${this.engine}`
      : `This version (schema ${this.engine}) is too old for the database, whose schema is ${this.database}`
  }
}

/**
 * A message (alert or ping) that was not taken. It is told again later, or not at all; nothing else depends on it.
 *
 * - `NotSent`: no connection. `TimedOut`: no whole answer in time; it may have been taken. `Refused`: any answer but 2xx.
 */
export class NotifyError extends Schema.TaggedError<NotifyError>()("NotifyError", {
  reason: Schema.Literal("NotSent", "TimedOut", "Refused"),
  detail: Schema.String,
  /** How long the receiver asked to wait, in milliseconds; null when it did not. */
  retryAfterMs: Schema.NullOr(Schema.Number)
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

/**
 * A probe of an accounting API that got no answer.
 *
 * - `Refused`: it was not sent, because the address is not one that may be probed: not https, with a user, a port of its own, or
 *   not public. `NotResolved`: the name has no address. `NotReached`: no connection, or no valid certificate.
 * - `TimedOut`: no answer in time. `Disconnected`: the connection broke before the answer.
 */
export class ProbeError extends Schema.TaggedError<ProbeError>()("ProbeError", {
  reason: Schema.Literal("Refused", "NotResolved", "NotReached", "TimedOut", "Disconnected"),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}
