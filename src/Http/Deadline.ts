import { Effect, FiberId } from "effect"

/**
 * Something asynchronous with a deadline: one timer and no race, because this is on the way of every invocation and of
 * every call of the database. `begin` says once what came of it, and answers what ends it; `onTimeout` takes its place
 * when `ms` have passed. Interruption and the deadline end it.
 */
export const asyncWithin = <A, E>(options: {
  readonly ms: number
  readonly begin: (resume: (result: Effect.Effect<A, E>) => void) => () => void
  readonly onTimeout: () => Effect.Effect<A, E>
}): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let expire = () => {}
    const timer = Effect.forkDaemon(
      Effect.delay(
        Effect.sync(() => expire()),
        options.ms
      )
    )
    return Effect.flatMap(timer, (running) =>
      Effect.async<A, E>((resume) => {
        const stopTimer = () => running.unsafeInterruptAsFork(FiberId.none)
        const end = options.begin((result) => {
          stopTimer()
          resume(result)
        })
        expire = () => {
          end()
          resume(options.onTimeout())
        }
        return Effect.sync(() => {
          stopTimer()
          end()
        })
      })
    )
  })
