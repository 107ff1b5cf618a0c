import { Effect } from "effect"
import { CONTENT_TYPE, read, render } from "../Metrics/Exposition.ts"

/** `/metrics`: everything of src/Metrics.ts, as Prometheus reads it. */
export const scrape: Effect.Effect<Response> = Effect.sync(
  () =>
    new Response(render(read()), {
      headers: { "content-type": CONTENT_TYPE, "cache-control": "no-store" }
    })
)
