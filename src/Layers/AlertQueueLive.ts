import { Effect, Layer } from "effect"
import { EngineConfig } from "../Config.ts"
import * as Rpc from "../Database/AlertRpc.ts"
import { AlertQueue } from "../Services/AlertQueue.ts"
import { Supabase } from "../Services/Supabase.ts"

const TAKE_AT_MOST = 5_000

/** Does not retry calls, because the next tick makes the same calls. */
export const layer: Layer.Layer<AlertQueue, never, Supabase | EngineConfig> = Layer.effect(
  AlertQueue,
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const { engineId } = yield* EngineConfig
    return AlertQueue.of({
      take: supabase
        .call(Rpc.takeAlerts, { p_engine_id: engineId, p_limit: TAKE_AT_MOST })
        .pipe(Effect.withSpan("AlertQueue.take")),
      mark: Effect.fn("AlertQueue.mark")((deliveries) =>
        supabase.call(Rpc.markAlerts, {
          p_engine_id: engineId,
          p_deliveries: deliveries.map(({ error, incidentIds, retryAfterMs }) => ({
            incident_ids: incidentIds,
            error,
            retry_after_seconds: retryAfterMs === null ? null : retryAfterMs / 1_000
          }))
        })
      )
    })
  })
)
