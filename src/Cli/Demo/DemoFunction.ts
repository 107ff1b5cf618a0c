import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schema, type Scope } from "effect"

interface Behaviour {
  readonly takesMs: number
  readonly status: number
  readonly answer: unknown
}

const exported = (takesMs: number, documents: number): Behaviour => ({
  takesMs,
  status: 200,
  answer: { success: true, documents }
})

const BEHAVIOURS: ReadonlyMap<string, Behaviour> = new Map([
  ["dynamics", exported(620, 128)],
  ["fortnox", exported(340, 41)],
  ["visma", exported(20_000, 63)],
  [
    "xledger",
    {
      takesMs: 480,
      status: 401,
      answer: {
        success: false,
        error: { code: "TOKEN_EXPIRED", message: "Xledger answered 401: token expired" }
      }
    }
  ]
])

const RENEWED = exported(480, 12)

/** Whether the failing integration's token was renewed. Stored in the directory, so that all processes of a demo agree. */
interface Token {
  readonly isRenewed: () => boolean
  readonly renew: () => void
}

const tokenIn = (directory: string | undefined): Token => {
  let isRenewed = false
  const path = directory === undefined ? undefined : join(directory, "XLEDGER_TOKEN_RENEWED")
  return {
    isRenewed: () => isRenewed || (path !== undefined && existsSync(path)),
    renew: () => {
      isRenewed = true
      if (path !== undefined) writeFileSync(path, "")
    }
  }
}

const Invocation = Schema.Struct({
  integration_type: Schema.String,
  attempt: Schema.Int,
  trigger: Schema.String
})
const decode = Schema.decodeUnknown(Invocation)

const answer = (request: Request, token: Token): Effect.Effect<Response> =>
  Effect.gen(function* () {
    const body = yield* Effect.tryPromise(() => request.json())
    const { attempt, integration_type, trigger } = yield* decode(body)
    const isXledger = integration_type === "xledger"
    // A manual retry implies that the token was renewed, so later runs also complete.
    if (isXledger && (attempt > 1 || trigger === "manual")) token.renew()
    const behaviour = isXledger && token.isRenewed() ? RENEWED : BEHAVIOURS.get(integration_type)
    const { answer, status, takesMs } = behaviour ?? exported(100, 1)
    yield* Effect.sleep(takesMs)
    return Response.json(answer, { status })
  }).pipe(
    Effect.catchAll(() =>
      Effect.succeed(Response.json({ success: false, error: "not an invocation" }, { status: 400 }))
    )
  )

/**
 * Serves a stand-in for the Integration Edge Function, on this machine only. Returns the URL to invoke. Runs of type `xledger`
 * fail until a person retries one.
 */
export const serveDemoFunction = (
  directory: string | undefined
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const token = tokenIn(directory)
      return Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (request) => Effect.runPromise(answer(request, token))
      })
    }),
    (server) => Effect.promise(() => server.stop(true))
  ).pipe(Effect.map(({ port }) => `http://127.0.0.1:${port}/functions/v1/integration-sync`))
