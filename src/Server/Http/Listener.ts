import { Data, Effect, type Scope } from "effect"
import type { Address } from "./Address.ts"

export class ListenError extends Data.TaggedError("ListenError")<{
  readonly address: Address
  /** The system's error code, such as `EADDRINUSE` or `EACCES`. */
  readonly code: string
}> {}

const MAX_BODY_BYTES = 16_384
/** The idle timeout of a connection, in seconds. */
const IDLE_SECONDS = 30
/** How long responses in progress can take when the server stops, in milliseconds. */
const LINGER_MS = 1_000

/**
 * Serves HTTP while the scope is open. Returns the URL of the listener. *Fails with* ListenError. *Guarantees*: rejects bodies
 * and headers of more than 16 KiB.
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
          // Outside development mode, Bun would by default let several processes share a port.
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
