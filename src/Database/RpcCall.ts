import { Effect, Either, Predicate } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"
import { tidyMessage } from "../Domain/Message.ts"
import { jsonbSafe } from "./JsonbSafe.ts"
import type { Rpc } from "./Rpc.ts"

export type RpcArguments = Readonly<Record<string, unknown>>

/** The maximum length of an answer, in bytes. A hundred claimed runs need about 100 KB. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** The default time limit for a call, in milliseconds. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000

/** Creates the error for a failed call. Reduces `detail` to one line and masks keys. */
export const callError = (
  rpc: Pick<Rpc<never, never>, "name" | "readOnly">,
  reason: SupabaseError["reason"],
  code: string,
  detail: string,
  more: Partial<Pick<SupabaseError, "hint" | "system" | "isPermanent">> = {}
): SupabaseError =>
  new SupabaseError({
    operation: rpc.name,
    // A read can be repeated, even if the database executed it.
    reason: rpc.readOnly && reason === "Ambiguous" ? "NotExecuted" : reason,
    code,
    detail: tidyMessage(detail),
    ...more
  })

/**
 * Encodes the arguments as JSON without undefined values and without characters that PostgreSQL cannot store.
 * *Fails with* SupabaseError (`Rejected`, `invalid_argument`) before anything is sent.
 */
export const encodeArguments = <A, R>(
  rpc: Rpc<A, R>,
  args: A
): Effect.Effect<RpcArguments, SupabaseError> => {
  const encoded = rpc.encode(args)
  if (Either.isLeft(encoded)) {
    const detail = `not sent, ${encoded.left}`
    return Effect.fail(callError(rpc, "Rejected", "invalid_argument", detail))
  }
  const json: unknown = jsonbSafe(encoded.right)
  return Predicate.isRecord(json)
    ? Effect.succeed(json)
    : Effect.fail(callError(rpc, "Rejected", "invalid_argument", "the arguments are not an object"))
}

/** *Fails with* SupabaseError (`Malformed`), which names the path of the unexpected value. */
export const decodeAnswer = <A, R>(
  rpc: Rpc<A, R>,
  answer: unknown
): Effect.Effect<R, SupabaseError> => {
  if (answer === null || answer === undefined) {
    return Effect.fail(callError(rpc, "Malformed", "no_answer", "the answer is empty"))
  }
  const decoded = rpc.decode(answer)
  if (Either.isRight(decoded)) return Effect.succeed(decoded.right)
  const detail = `this version cannot read the answer: ${decoded.left}`
  return Effect.fail(callError(rpc, "Malformed", "unexpected_answer", detail))
}
