import { Cause, Effect, Exit, Option, type Scope } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"

interface Waiting<In, Out> {
  readonly item: In
  readonly resume: (answer: Effect.Effect<Out, SupabaseError>) => void
}

/** So many items that wait are sent without a pause. */
const WORTH_A_CALL = 20

/**
 * Puts calls that happen together into one batch: what arrives while a batch is under way makes the next one. One
 * batch at a time, at most `most` items, of each run at most one, because answers name the run. `send` answers one result
 * per item, in order; undefined: it says nothing of it. A call costs the database as much as some ten items, so after a
 * batch the next one waits for `pauseMs`, unless there are many already; whoever asks later waits for nothing.
 *
 * Where the database refuses a batch, or a row of it is locked, its items are sent one by one: it may be the fault of one
 * alone, and the others must not wait for it.
 */
export const makeCombiner = <In extends { readonly run_id: string }, Out>(options: {
  readonly send: (
    batch: ReadonlyArray<In>
  ) => Effect.Effect<ReadonlyArray<Out | undefined>, SupabaseError>
  readonly operation: string
  readonly most: number
  readonly pauseMs: number
}): Effect.Effect<(item: In) => Effect.Effect<Out, SupabaseError>, never, Scope.Scope> =>
  Effect.gen(function* () {
    let waiting: Array<Waiting<In, Out>> = []
    let wake: (() => void) | null = null
    const missing = Exit.fail(
      new SupabaseError({
        operation: options.operation,
        reason: "Malformed",
        code: "ITEM",
        detail: "the answer does not mention this run"
      })
    )

    const untilSome = Effect.async<void>((resume) => {
      if (waiting.length > 0) resume(Effect.void)
      else {
        wake = () => {
          wake = null
          resume(Effect.void)
        }
      }
    })

    const sendTogether = (items: ReadonlyArray<In>) =>
      Effect.map(
        Effect.exit(options.send(items)),
        (exit): ReadonlyArray<Exit.Exit<Out, SupabaseError>> => {
          if (Exit.isFailure(exit)) return items.map(() => Exit.failCause(exit.cause))
          return items.map((_, index) => {
            const answer = exit.value[index]
            return answer === undefined ? missing : Exit.succeed(answer)
          })
        }
      )

    const sendOut = (items: ReadonlyArray<In>) =>
      Effect.flatMap(sendTogether(items), (exits) =>
        items.length > 1 && exits.every(isOfOne)
          ? Effect.map(
              Effect.forEach(items, (item) => sendTogether([item])),
              (each) => each.flat()
            )
          : Effect.succeed(exits)
      )

    // Whoever asks in the same turn comes along.
    const next = Effect.flatMap(Effect.zipRight(untilSome, Effect.yieldNow()), () => {
      const batch: typeof waiting = []
      const later: typeof waiting = []
      const runs = new Set<string>()
      for (const one of waiting) {
        if (batch.length < options.most && !runs.has(one.item.run_id)) {
          runs.add(one.item.run_id)
          batch.push(one)
        } else later.push(one)
      }
      waiting = later
      return Effect.map(sendOut(batch.map(({ item }) => item)), (exits) => {
        for (const [index, { resume }] of batch.entries()) resume(exits[index] ?? missing)
      })
    })
    const rest = Effect.suspend(() =>
      waiting.length < WORTH_A_CALL ? Effect.sleep(options.pauseMs) : Effect.void
    )
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(next, rest)))

    return (item) =>
      Effect.async((resume) => {
        waiting.push({ item, resume })
        wake?.()
      })
  })

/** The SQLSTATEs of a lock that was not to be had in time, and of a deadlock: nothing was changed. */
const CONTENDED: ReadonlySet<string> = new Set(["55P03", "40P01"])

const isOfOne = (exit: Exit.Exit<unknown, SupabaseError>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(
    Cause.failureOption(exit.cause),
    (error) => error.reason === "Rejected" || CONTENDED.has(error.code)
  )
