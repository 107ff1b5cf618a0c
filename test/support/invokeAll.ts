import { Effect, Redacted } from "effect"
import { ofError } from "../../src/Domain/Outcome.ts"
import type { Invocation } from "../../src/Domain/Run.ts"
import { proxyOf } from "../../src/Http/Proxy.ts"
import { type InvokerOptions, layer } from "../../src/Layers/InvokerLive.ts"
import { Invoker } from "../../src/Services/Invoker.ts"

export interface Call {
  readonly name: string
  readonly functionUrl: string
  readonly timeoutMs: number
  readonly times?: number
}

/** Verdicts by call name, such as `Completed`, `Failed HTTP_404` or `Unknown CONNECTION_LOST`. */
export type Verdicts = Record<string, string>

export const secretKey = "sb_secret_not_a_real_one"

export const invocation = (timeoutMs = 20_000): Invocation => ({
  run: {
    run_id: "018f0000-0000-4000-8000-000000000001",
    org_id: "018f0000-0000-4000-8000-000000000002",
    integration_id: "018f0000-0000-4000-8000-000000000003",
    integration_type: "xledger",
    scheduled_for: Date.UTC(2026, 10, 24, 2),
    trigger: "schedule",
    status: "running",
    attempt: 2,
    max_attempts: 3,
    idempotency_key: "018f0000-0000-4000-8000-000000000003:2026-11-24T02:00:00.000Z",
    claimed_by: "engine-1",
    drift_ms: 12,
    function_name: null,
    invoke_timeout_ms: null,
    warm_up: false,
    config: { company: 7 },
    lease_token: "018f0000-0000-4000-8000-000000000004"
  },
  functionName: null,
  deadline: Date.UTC(2026, 10, 24, 2, 2, 35),
  timeoutMs
})

export const invokerFor = (functionUrl: string, options: Partial<InvokerOptions> = {}) =>
  layer({ functionUrl, key: Redacted.make(secretKey), version: "1.2.3", ...options })

/** Also runs in Deno. */
export const invokeAll = async (calls: ReadonlyArray<Call>): Promise<Verdicts> => {
  const verdicts: Verdicts = {}
  for (const { name, functionUrl, timeoutMs, times = 1 } of calls) {
    const invoke = Effect.flatMap(Invoker, (invoker) => invoker.invoke(invocation(timeoutMs))).pipe(
      Effect.catchAll((error) => Effect.succeed(ofError(error))),
      Effect.map((outcome) =>
        [outcome._tag, "code" in outcome ? outcome.code : ""].join(" ").trim()
      ),
      Effect.replicateEffect(times),
      Effect.provide(invokerFor(functionUrl, { proxyOf: proxyOf(process.env) }))
    )
    verdicts[name] = (await Effect.runPromise(invoke)).join(", ")
  }
  return verdicts
}

if (import.meta.main) {
  let input = ""
  for await (const chunk of process.stdin) input += String(chunk)
  const calls: ReadonlyArray<Call> = JSON.parse(input)
  console.log(JSON.stringify(await invokeAll(calls)))
}
