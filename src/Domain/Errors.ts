import { Data } from "effect"

/**
 * A failed call of an SQL function.
 *
 * - `NotExecuted`: the call had no effect (never connected, rolled back). Safe to repeat.
 * - `Ambiguous`: the call might have been committed (connection lost, deadline, gateway error). Repeat only with the same token.
 * - `Refused`: the key or the role lacks the permission. Repeating cannot help.
 * - `Missing`: the function or a table does not exist, because migrations are missing.
 * - `Rejected`: the database rejected the arguments or the data (constraint, bad argument, raised error).
 * - `Malformed`: the response violates the contract. For a write, equivalent to `Ambiguous`.
 *
 * `code` is the SQLSTATE, the PostgREST code or the HTTP status. `hint` names the setting to change, if known. `system` is the
 * runtime's own message when `detail` replaces it. `isPermanent` means that the address or the certificate is wrong.
 */
export class SupabaseError extends Data.TaggedError("SupabaseError")<{
  readonly operation: string
  readonly reason: "NotExecuted" | "Ambiguous" | "Refused" | "Missing" | "Rejected" | "Malformed"
  readonly code: string
  readonly detail: string
  readonly hint?: string | undefined
  readonly system?: string | undefined
  readonly isPermanent?: boolean | undefined
}> {
  override get message(): string {
    const kind = [this.reason, this.code, this.system].filter((part) => part !== undefined)
    return `${this.operation}: ${this.detail} (${kind.join(", ")})`
  }
}

/**
 * An invocation that received no HTTP response.
 *
 * - `NotSent`: the connection was never established (refused, DNS, TLS), so the function cannot have run.
 * - `TimedOut`: no complete response arrived before the deadline. The function might still be running.
 * - `Disconnected`: the connection broke, possibly after the request was sent.
 */
export class InvokeError extends Data.TaggedError("InvokeError")<{
  readonly reason: "NotSent" | "TimedOut" | "Disconnected"
  readonly detail: string
}> {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

/** A schedule that cannot be computed. `Impossible`: a valid expression that never matches a date (`0 0 30 2 *`). */
export class ScheduleError extends Data.TaggedError("ScheduleError")<{
  readonly reason: "Expression" | "Timezone" | "Impossible"
  readonly expression: string
  readonly timezone: string
  readonly detail: string
  readonly hint: string
}> {
  override get message(): string {
    return this.detail
  }
}

/**
 * The binary and the database are incompatible, so nothing is claimed or invoked. `database` is the newest applied migration, and
 * `engine` is the newest migration that the engine knows.
 *
 * - `DatabaseTooOld`: the database lacks functions that this engine calls. Apply the migrations.
 * - `EngineTooOld`: a migration declares that engines this old no longer work. Update the binary.
 */
export class SchemaMismatch extends Data.TaggedError("SchemaMismatch")<{
  readonly reason: "DatabaseTooOld" | "EngineTooOld"
  readonly database: string
  readonly engine: string
}> {
  override get message(): string {
    return this.reason === "DatabaseTooOld"
      ? `The database's schema (${this.database}) is too old for this version, which needs ${this.engine}`
      : `This version (schema ${this.engine}) is too old for the database, whose schema is ${this.database}`
  }
}

/**
 * An alert or ping that the receiver did not accept. After `TimedOut`, the receiver might have accepted the message. `Refused` is
 * a response with a status other than 2xx.
 */
export class NotifyError extends Data.TaggedError("NotifyError")<{
  readonly reason: "NotSent" | "TimedOut" | "Refused"
  readonly detail: string
  /** The wait that the receiver requested, in milliseconds; null if it requested none. */
  readonly retryAfterMs: number | null
}> {
  override get message(): string {
    return this.detail
  }
}

/**
 * A probe that received no response from an accounting API.
 *
 * - `Refused`: not sent, because the address is not https, contains a user or a port, or is not public.
 * - `NotReached`: no connection was established, or the certificate was not valid.
 */
export class ProbeError extends Data.TaggedError("ProbeError")<{
  readonly reason: "Refused" | "NotResolved" | "NotReached" | "TimedOut" | "Disconnected"
  readonly detail: string
}> {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}
