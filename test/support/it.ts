import { test } from "bun:test"
import { Cause, Effect, Exit, type Scope, TestContext } from "effect"

/** Only the test moves the clock. Failures are rethrown unmodified, so that the runner points to the failing line. */
export const it = (
  name: string,
  body: () => Effect.Effect<unknown, unknown, Scope.Scope>,
  options?: { readonly timeoutMs: number }
): void =>
  test(
    name,
    async () => {
      const exit = await Effect.runPromiseExit(
        Effect.suspend(body).pipe(Effect.scoped, Effect.provide(TestContext.TestContext))
      )
      if (Exit.isFailure(exit)) throw Cause.prettyErrors(exit.cause)[0] ?? exit.cause
    },
    options?.timeoutMs
  )
