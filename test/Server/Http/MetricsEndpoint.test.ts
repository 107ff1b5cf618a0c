import { expect, test } from "bun:test"
import { HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"
import { makeMetricsEndpoint } from "../../../src/Server/Http/MetricsEndpoint.ts"
import { makeWorld } from "../../support/World.ts"

test("a scrape always gets a response, and concurrent scrapes share one database call", async () => {
  const world = await Effect.runPromise(makeWorld)
  let calls = 0
  world.carry = () => {
    calls += 1
    return Effect.die("the database is away")
  }
  const scrapes = Effect.flatMap(makeMetricsEndpoint, (scrape) =>
    Effect.replicateEffect(
      Effect.map(scrape, (answer) => HttpServerResponse.toWeb(answer)),
      20,
      {
        concurrency: "unbounded"
      }
    )
  )
  const answers = await Effect.runPromise(Effect.provide(scrapes, world.engine()))
  expect(calls).toBe(1)
  for (const answer of answers) {
    expect(answer.status).toBe(200)
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
  }
  const text = await answers[0]?.text()
  expect(text).toContain("# TYPE sync_scheduler_build_info gauge\n")
  expect(text).toContain("sync_scheduler_overdue_seconds_max NaN\n")
})
