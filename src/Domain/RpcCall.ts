import { Effect, Either, ParseResult, Predicate, Schema } from "effect"
import { SupabaseError } from "./Errors.ts"
import { tidyMessage } from "./Message.ts"
import type { Rpc } from "./Rpc.ts"
import { storable } from "./Storable.ts"

/** The arguments of one call as JSON; those left out take the SQL function's default. */
export type RpcArguments = Readonly<Record<string, unknown>>

/** The longest answer that is read, in bytes. A hundred claimed runs are some 100 KB. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** How long a call may take to its last byte, in milliseconds, unless the mechanism is told otherwise. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000

/** The error of a call. The detail is made fit to be shown: short, one line, without keys. */
export const callError = (
  rpc: Pick<Rpc<never, never, never, never>, "name" | "readOnly">,
  reason: SupabaseError["reason"],
  code: string,
  detail: string
): SupabaseError =>
  new SupabaseError({
    operation: rpc.name,
    // Repeating a read is harmless: whether it took place does not matter.
    reason: rpc.readOnly && reason === "Ambiguous" ? "NotExecuted" : reason,
    code,
    detail: tidyMessage(detail)
  })

/**
 * Encodes the arguments as every mechanism sends them: JSON without undefined, and without the characters that
 * PostgreSQL cannot store. *Fails with* SupabaseError (`Rejected`, `invalid_argument`): nothing was sent.
 */
export const encodeArguments = <A, AI, R, RI>(
  rpc: Rpc<A, AI, R, RI>,
  args: A
): Effect.Effect<RpcArguments, SupabaseError> => {
  const encoded = Schema.encodeEither(rpc.args)(args)
  if (Either.isLeft(encoded)) {
    const detail = `not sent, ${explain(encoded.left)}`
    return Effect.fail(callError(rpc, "Rejected", "invalid_argument", detail))
  }
  const json: unknown = storable(encoded.right)
  return Predicate.isRecord(json)
    ? Effect.succeed(json)
    : Effect.fail(callError(rpc, "Rejected", "invalid_argument", "arguments are no object"))
}

/**
 * Decodes the answer. *Fails with* SupabaseError (`Malformed`), which names the place but never repeats the value:
 * an integration's config may hold secrets.
 */
export const decodeAnswer = <A, AI, R, RI>(
  rpc: Rpc<A, AI, R, RI>,
  answer: unknown
): Effect.Effect<R, SupabaseError> => {
  if (answer === null || answer === undefined) {
    return Effect.fail(callError(rpc, "Malformed", "no_answer", "the answer is empty"))
  }
  const decoded = Schema.decodeUnknownEither(rpc.result)(answer)
  if (Either.isRight(decoded)) return Effect.succeed(decoded.right)
  const detail = `the answer is not what this version expects, ${explain(decoded.left)}`
  return Effect.fail(callError(rpc, "Malformed", "unexpected_answer", detail))
}

const explain = (error: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(error)
    .slice(0, 3)
    .map(({ path, message }) => `at ${path.join(".") || "the top"}: ${message.replace(actual, "")}`)
    .join("; ")

const actual = /,? (?:but )?(?:actual|got|received) [\s\S]*$/
