import { Effect, Either } from "effect"
import { SupabaseError } from "./Errors.ts"

/** The SQLSTATEs for a lock timeout and a deadlock. */
const CONTENDED: ReadonlySet<string> = new Set(["55P03", "40P01"])

/** Returns whether the call failed because another session had locked a row. Such a call has no effect. */
export const isContended = ({ code }: SupabaseError): boolean => CONTENDED.has(code)

/**
 * Returns whether the database rejected a row. `Missing` also counts, because a trigger can use a table outside its search path.
 */
export const isRejected = ({ reason }: SupabaseError): boolean =>
  reason === "Rejected" || reason === "Missing"

const missing = (operation: string): SupabaseError =>
  new SupabaseError({
    operation,
    reason: "Malformed",
    code: "ITEM",
    detail: "the response does not mention this run"
  })

/**
 * Sends items in one call and returns one result per item, in order. If the database rejects the call or a row is locked, sends
 * the items one by one, so that one item does not delay the others.
 */
export const sendTogether =
  <In, Out>(
    operation: string,
    send: (items: ReadonlyArray<In>) => Effect.Effect<ReadonlyArray<Out | undefined>, SupabaseError>
  ) =>
  (items: ReadonlyArray<In>): Effect.Effect<ReadonlyArray<Either.Either<Out, SupabaseError>>> =>
    Effect.matchEffect(send(items), {
      onFailure: (error) =>
        items.length > 1 && (isRejected(error) || isContended(error))
          ? Effect.map(
              Effect.forEach(items, (item) => sendTogether(operation, send)([item])),
              (each) => each.flat()
            )
          : Effect.succeed(items.map(() => Either.left(error))),
      onSuccess: (answers) =>
        Effect.succeed(
          items.map((_, index) => Either.fromNullable(answers[index], () => missing(operation)))
        )
    })
