import { Layer, ManagedRuntime, Redacted } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import * as InvokerLive from "../../src/Layers/InvokerLive.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"
import type { Contender, Spec } from "../Spec.ts"

const LOST: ReadonlySet<string> = new Set([
  "locked",
  "lost_race",
  "already_running",
  "already_recorded"
])

export const engineOver =
  (mechanism: (spec: Spec) => Layer.Layer<Supabase, SupabaseError>): Contender =>
  async (spec) => {
    const key = Redacted.make(spec.secretKey)
    const config = Layer.succeed(EngineConfig, {
      ...defaultEngineSettings,
      engineId: `bench-${process.pid}`,
      concurrency: spec.concurrency
    })
    const { functionUrl } = spec
    const invoker = InvokerLive.layer({ functionUrl, key, version: "bench" })
    const runtime = ManagedRuntime.make(
      Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
        Layer.provideMerge(Layer.mergeAll(mechanism(spec), config, invoker))
      )
    )
    // Connects before the clock starts, like the other contenders. Nothing is due for this organisation.
    await runtime.runPromise(Engine.tick({ scope: { orgId: crypto.randomUUID() } }))
    return {
      tick: async () => {
        const { completed, errors, skipped, skips } = await runtime.runPromise(Engine.tick())
        const isWrong = spec.isShared ? completed > spec.jobs : completed !== spec.jobs
        if (isWrong || errors.length > 0) {
          throw new Error(`${completed} of ${spec.jobs} completed: ${JSON.stringify(errors)}`)
        }
        // A summary lists at most 1,000 skips. The others are assumed to have the same distribution of reasons.
        const lost = skips.filter(({ reason }) => LOST.has(reason)).length
        return { completed, lost: skips.length === 0 ? 0 : (lost * skipped) / skips.length }
      },
      close: () => runtime.dispose()
    }
  }
