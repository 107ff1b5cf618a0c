import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import type { SQL } from "bun"
import { Effect, Layer, Redacted } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import { measureStatus } from "../../src/Operator/StatusGauges.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { addedSince, readSeries } from "../support/metrics.ts"
import { seedFixture } from "../support/OperatorFixture.ts"
import { connect, createDatabase, type TestDatabase } from "../support/Postgres.ts"

setDefaultTimeout(60_000)

let database: TestDatabase
let sql: SQL
beforeEach(async () => {
  database = await createDatabase()
  sql = connect(database.url, { max: 1 })
  await seedFixture(sql)
}, 60_000)
afterEach(async () => {
  await sql.close()
  await database.drop()
})

const overdue = "sync_scheduler_overdue_seconds_max"
const inState = (state: string) => readSeries().get(`sync_scheduler_schedules{state="${state}"}`)

test("the gauges show the number of integrations by state and the oldest delay, and are NaN without a database", async () => {
  const real = PostgresLive.layer({ url: Redacted.make(database.url) })
  await Effect.runPromise(Effect.provide(measureStatus(300_000), real))
  const counts = ["overdue", "retrying", "running", "on_time", "stale"].map(inState)
  expect(counts).toEqual([1, 1, 1, 6, 0])
  // Globex was due at 08:00:00, and the fixture's clock shows 08:12:04.
  expect(readSeries().get(overdue)).toBe(724)

  const before = readSeries()
  const away = new SupabaseError({
    operation: "read_sync_status",
    reason: "Refused",
    code: "401",
    detail: "key"
  })
  const gone = Layer.succeed(Supabase, { call: () => Effect.fail(away) })
  await Effect.runPromise(Effect.provide(measureStatus(300_000), gone))
  expect(readSeries().get(overdue)).toBeNaN()
  expect(inState("on_time")).toBeNaN()
  expect(addedSince(before).status_read_failures_total).toBe(1)
})
