import { Effect } from "effect"
import { livez, makeReadyz } from "./Probes.ts"
import type { Pulse } from "./Pulse.ts"
import { scrape } from "./Scrape.ts"

/** What answers HTTP requests. */
export const makeSite = (pulse: Pulse) =>
  Effect.gen(function* () {
    const readyz = yield* makeReadyz(pulse)
    return (request: Request): Effect.Effect<Response> => {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname === "/livez") return livez(pulse)
      if (pathname === "/metrics") return scrape
      if (pathname === "/readyz") return readyz(searchParams.has("verbose"))
      return Effect.succeed(new Response("not found\n", { status: 404 }))
    }
  })
