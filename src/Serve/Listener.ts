import { Data, Effect, type Scope } from "effect"
import type { Address } from "./Address.ts"

/** The address cannot be listened on. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly address: Address
  /** `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, ... */
  readonly code: string
}> {}

/** No request has a body worth more than this. */
const MAX_BODY_BYTES = 16_384
/** A connection on which nothing moves is closed after so many seconds. */
const IDLE_SECONDS = 30
/** How long answers under way may take when the server stops. */
const LINGER_MS = 1_000

/**
 * Serves HTTP for as long as the scope lives. Gives the URL that it answers at.
 * *Fails with* ListenError. *Guarantees*: bodies, headers (16 KiB, by the runtime) and idle time are bounded; when the
 * scope closes, answers under way get a second, then they are cut.
 */
export const listen = (
  address: Address,
  answer: (request: Request) => Promise<Response>
): Effect.Effect<string, ListenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () =>
        Bun.serve({
          ...address,
          development: false,
          // Bun shares a port with other processes when it is not in development, unless told not to.
          reusePort: false,
          maxRequestBodySize: MAX_BODY_BYTES,
          idleTimeout: IDLE_SECONDS,
          fetch: answer,
          error: () => new Response("internal error\n", { status: 500 })
        }),
      catch: (error) => new ListenError({ address, code: codeOf(error) })
    }),
    (server) =>
      Effect.promise(() => server.stop()).pipe(
        Effect.interruptible,
        Effect.timeoutOption(LINGER_MS),
        Effect.zipRight(Effect.promise(() => server.stop(true)))
      )
  ).pipe(
    Effect.map(({ port }) => {
      const { hostname } = address
      return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`
    })
  )

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)
