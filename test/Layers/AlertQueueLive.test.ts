import { describe, expect, test } from "bun:test"
import { Effect, Layer, Redacted } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import * as AlertQueueLive from "../../src/Layers/AlertQueueLive.ts"
import * as EmbeddedLive from "../../src/Layers/EmbeddedLive.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import { AlertQueue } from "../../src/Services/AlertQueue.ts"
import { EmbeddedDatabase } from "../../src/Services/EmbeddedDatabase.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"
import { connect, createDatabase } from "../support/Postgres.ts"

const INCIDENT =
  "insert into public.sync_incident (kind, subject, detail) values ('clock_skew', 'e9', '{\"clock_skew_ms\": 7000}')"
const END = "update public.sync_incident set resolved_at = sync_scheduler.clock()"

/** Takes one incident from opening to resolution. `execute` runs SQL as a superuser. */
const passIncident = <E>(execute: (sql: string) => Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const queue = yield* AlertQueue
    expect((yield* queue.take).total).toBe(0)
    yield* execute(INCIDENT)
    const batch = yield* queue.take
    expect(batch).toMatchObject({ total: 1, opened: 1, resolved: 0, kinds: { clock_skew: 1 } })
    expect(batch.alerts).toMatchObject([
      {
        transition: "opened",
        subject: "e9",
        detail: { clock_skew_ms: 7_000 },
        integration: null,
        run: null
      }
    ])
    const incidentIds = batch.incident_ids
    expect(yield* queue.mark([{ incidentIds, error: "no", retryAfterMs: 45_500 }])).toEqual({
      sent: 0,
      failed: 1,
      gave_up: 0
    })
    yield* execute(`${END}, alert_not_before = null`)
    const end = yield* queue.take
    expect(end.alerts).toMatchObject([{ transition: "resolved", announced: false }])
    expect(yield* queue.mark([{ incidentIds, error: null, retryAfterMs: null }])).toEqual({
      sent: 1,
      failed: 0,
      gave_up: 0
    })
    expect((yield* queue.take).total).toBe(0)
  })

const over = <R>(database: Layer.Layer<Supabase | R, SupabaseError>) =>
  AlertQueueLive.layer.pipe(
    Layer.provideMerge(database),
    Layer.provide(Layer.succeed(EngineConfig, { engineId: "e1", ...defaultEngineSettings }))
  )

describe("the alert queue works", () => {
  test("over a direct connection", async () => {
    const database = await createDatabase()
    const sql = connect(database.url, { max: 1 })
    await Effect.runPromise(
      passIncident((text) => Effect.promise(() => sql.unsafe(text))).pipe(
        Effect.provide(over(PostgresLive.layer({ url: Redacted.make(database.url) })))
      )
    )
    await sql.close()
    await database.drop()
  }, 60_000)

  test("over the embedded database", async () => {
    await Effect.runPromise(
      Effect.gen(function* () {
        const { query } = yield* EmbeddedDatabase
        yield* passIncident(query)
        const [status] = yield* query("select verdict from public.sync_scheduler_status")
        expect(status?.verdict).toBe("never")
      }).pipe(Effect.provide(over(EmbeddedLive.layer())))
    )
  }, 60_000)
})
