import { Cause, Deferred, Effect, Exit, type Scope as Lifetime, Option, Queue } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"

/** The most items of a batch; the SQL functions enforce the same. */
const MAX_BATCH = 100

const isRejected = (exit: Exit.Exit<unknown, SupabaseError>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.failureOption(exit.cause), (error) => error.reason === "Rejected")

/** At most one item of each run, in turn: answers name the run, so two of one run could not be told apart. */
const inRounds = <Waiting extends { readonly item: { readonly run_id: string } }>(
  batch: ReadonlyArray<Waiting>
): ReadonlyArray<ReadonlyArray<Waiting>> => {
  const rounds: Array<Array<Waiting>> = []
  const counts = new Map<string, number>()
  for (const waiting of batch) {
    const { run_id } = waiting.item
    const round = counts.get(run_id) ?? 0
    counts.set(run_id, round + 1)
    const others = rounds[round]
    if (others === undefined) rounds.push([waiting])
    else others.push(waiting)
  }
  return rounds
}

/**
 * Puts calls that happen together into one batch: what arrives while a batch is under way makes the next one. One
 * batch at a time, at most 100 items, of each run at most one. `send` answers one result per item, in order.
 */
export const makeCombiner = <In extends { readonly run_id: string }, Out>(
  send: (batch: ReadonlyArray<In>) => Effect.Effect<ReadonlyArray<Out | undefined>, SupabaseError>,
  operation: string
): Effect.Effect<(item: In) => Effect.Effect<Out, SupabaseError>, never, Lifetime.Scope> =>
  Effect.gen(function* () {
    interface Waiting {
      readonly item: In
      readonly answer: Deferred.Deferred<Out, SupabaseError>
    }
    const queue = yield* Queue.unbounded<Waiting>()
    const missing = new SupabaseError({
      operation,
      reason: "Malformed",
      code: "ITEM",
      detail: "the answer does not mention this run"
    })
    const sendTogether = (items: ReadonlyArray<In>) =>
      Effect.exit(send(items)).pipe(
        Effect.map((exit) =>
          items.map((_, index) =>
            Exit.flatMap(exit, (answers) => {
              const answer = answers[index]
              return answer === undefined ? Exit.fail(missing) : Exit.succeed(answer)
            })
          )
        )
      )
    // What the database refuses to take in may be the fault of one item only: the others are sent without it.
    const sendApart = (items: ReadonlyArray<In>) =>
      Effect.flatMap(sendTogether(items), (exits) =>
        items.length > 1 && exits.every(isRejected)
          ? Effect.map(
              Effect.forEach(items, (item) => sendTogether([item])),
              (each) => each.flat()
            )
          : Effect.succeed(exits)
      )
    yield* Queue.take(queue).pipe(
      // Whoever asks in the same turn comes along.
      Effect.zipLeft(Effect.yieldNow()),
      Effect.zipWith(Queue.takeUpTo(queue, MAX_BATCH - 1), (first, rest) => [first, ...rest]),
      Effect.flatMap((batch) =>
        Effect.forEach(inRounds(batch), (round) =>
          sendApart(round.map((waiting) => waiting.item)).pipe(
            Effect.flatMap((exits) =>
              Effect.forEach(round, (waiting, index) =>
                Deferred.done(waiting.answer, exits[index] ?? Exit.fail(missing))
              )
            )
          )
        )
      ),
      Effect.forever,
      Effect.forkScoped
    )
    return (item) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<Out, SupabaseError>()
        yield* Queue.offer(queue, { item, answer })
        return yield* Deferred.await(answer)
      })
  })
