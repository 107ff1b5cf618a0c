import { Effect, Schema, type Scope } from "effect"

/** What the demo's function does for an integration: how long it takes, and what it answers. */
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
      status: 502,
      answer: {
        success: false,
        error: { code: "TOKEN_EXPIRED", message: "Xledger answered 401: token expired" }
      }
    }
  ]
])

const Invocation = Schema.Struct({ integration_type: Schema.String })
const decode = Schema.decodeUnknown(Invocation)

const answer = (request: Request): Effect.Effect<Response> =>
  Effect.gen(function* () {
    const body = yield* Effect.tryPromise(() => request.json())
    const { integration_type } = yield* decode(body)
    const { answer, status, takesMs } = BEHAVIOURS.get(integration_type) ?? exported(100, 1)
    yield* Effect.sleep(takesMs)
    return Response.json(answer, { status })
  }).pipe(
    Effect.catchAll(() =>
      Effect.succeed(Response.json({ success: false, error: "not an invocation" }, { status: 400 }))
    )
  )

/**
 * A stand-in for a project's Integration Edge Function, on this machine only, for as long as the scope lives. Gives the
 * URL to invoke. The integration of type `xledger` fails, so that one sees what that looks like.
 */
export const serveDemoFunction: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() =>
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => Effect.runPromise(answer(request))
    })
  ),
  (server) => Effect.promise(() => server.stop(true))
).pipe(Effect.map(({ port }) => `http://127.0.0.1:${port}/functions/v1/integration-sync`))
