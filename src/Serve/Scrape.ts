import { Effect, Fiber } from "effect"
import { EngineConfig } from "../Config.ts"
import { CONTENT_TYPE, read, render } from "../Metrics/Exposition.ts"
import { measureStatus } from "../Operator/StatusGauges.ts"
import { Supabase } from "../Services/Supabase.ts"
import { monotonicMs } from "./Vitals.ts"

/** However often and by how many it is scraped, the database is asked once in this time. */
const FRESH_MS = 15_000
/** How long a scrape waits for the database before it answers with what was known. */
const WAIT_MS = 3_000

/**
 * `/metrics`: everything of src/Metrics.ts, as Prometheus reads it. What comes from the database is read when somebody
 * scrapes, once for all of them; a database that is away or slow neither fails nor holds up a scrape.
 */
export const makeScrape: Effect.Effect<
  Effect.Effect<Response>,
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
    return new Response(render(read()), {
      headers: { "content-type": CONTENT_TYPE, "cache-control": "no-store" }
    })
  })
})
