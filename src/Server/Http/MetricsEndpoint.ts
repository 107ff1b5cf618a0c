import { HttpServerResponse } from "@effect/platform"
import { Effect, Fiber } from "effect"
import { EngineConfig } from "../../Config.ts"
import { CONTENT_TYPE, read, render } from "../../Metrics/PrometheusText.ts"
import { measureStatus } from "../../Operator/StatusGauges.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { monotonicMs } from "../Watchdog.ts"

/** The minimum time between two database reads, in milliseconds. */
const FRESH_MS = 15_000
/** How long a scrape waits for the database before it returns the last known values, in milliseconds. */
const WAIT_MS = 3_000

/** Serves `/metrics`. Concurrent scrapes share one database read, and a scrape never fails because of the database. */
export const makeMetricsEndpoint: Effect.Effect<
  Effect.Effect<HttpServerResponse.HttpServerResponse>,
  never,
  Supabase | EngineConfig
> = Effect.gen(function* () {
  const { driftAlertMs } = yield* EngineConfig
  const measuring = Effect.provideService(measureStatus(driftAlertMs), Supabase, yield* Supabase)
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Fiber.RuntimeFiber<void> | null = null
  return Effect.gen(function* () {
    const now = yield* monotonicMs
    if (now - readAt >= FRESH_MS) {
      readAt = now
      reading = yield* Effect.forkDaemon(measuring)
    }
    if (reading !== null) yield* Effect.timeoutOption(Fiber.await(reading), WAIT_MS)
    return HttpServerResponse.text(render(read()), { contentType: CONTENT_TYPE })
  })
})
