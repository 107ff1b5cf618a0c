import { afterAll, beforeAll, expect, test } from "bun:test"
import { FastCheck as fc } from "effect"
import type { Outcome } from "../../../src/Domain/Outcome.ts"
import { completed, type HistoryWorld, openHistoryWorld } from "../../support/HistoryWorld.ts"
import { oracleSlots, readClock } from "../../support/ScheduleOracle.ts"

const MINUTE = 60_000
const DAY = 1440 * MINUTE
/** Three days before DST starts in Oslo. */
const start = Date.UTC(2026, 2, 26, 10, 0, 0)
const end = start + 12 * DAY
const zones = ["UTC", "Europe/Oslo", "America/New_York", "Asia/Kathmandu"]
const schedules = [
  "* * * * *",
  "*/10 * * * *",
  "0 */3 * * *",
  "30 2 * * *",
  "5,35 1-3 * * *",
  "@hourly"
]

let world: HistoryWorld
beforeAll(async () => {
  world = await openHistoryWorld(start)
}, 60_000)
afterAll(() => world.close())

const readings = new Map(zones.map((zone) => [zone, readClock(zone, start, end)]))

const historyEvent = fc.tuple(
  fc.integer({ min: 0, max: 2 }),
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("tick" as const),
        engines: fc.constantFrom(1, 1, 2)
      })
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("wait" as const),
        ms: fc.constantFrom(
          999,
          20_000,
          MINUTE,
          7 * MINUTE,
          61 * MINUTE,
          9 * 60 * MINUTE,
          1.5 * DAY
        )
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("edit" as const),
        to: fc.constantFrom(...schedules)
      })
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("zone" as const), to: fc.constantFrom(...zones) })
    },
    { weight: 1, arbitrary: fc.constant({ kind: "break" as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("enable" as const), on: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("policy" as const),
        to: fc.constantFrom("latest", "all", "skip")
      })
    },
    { weight: 1, arbitrary: fc.constant({ kind: "endless" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "sooner" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "trigger" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "replace" as const }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("answers" as const),
        how: fc.constantFrom(0, 0, 1, 2, 3)
      })
    }
  )
)
type HistoryEvent = ReturnType<typeof historyEvent.generate>["value_"]

const answers: ReadonlyArray<Outcome> = [
  completed,
  { _tag: "Failed", httpStatus: 422, code: "LEDGER_CLOSED", message: "closed", response: null },
  { _tag: "NotExecuted", httpStatus: 503, code: "BOOT_ERROR", message: "boot", retryAfterMs: null },
  { _tag: "Unknown", httpStatus: 504, code: "IDLE_TIMEOUT", message: "?" }
]

const insert = (off: boolean) =>
  world.insert(
    off ? { next_run_at: "sync_scheduler.clock() + interval '47 minutes 11.5 seconds'" } : {}
  )

const applyEvent = async ([index, what]: HistoryEvent, ids: Array<string>) => {
  const id = ids[index]
  const update = (set: string, where = "true") =>
    world.sql.unsafe(`update organization_integrations set ${set} where id = '${id}' and ${where}`)
  switch (what.kind) {
    case "tick":
      return Promise.all(Array.from({ length: what.engines }, () => world.tick({ limit: 40 })))
    case "wait":
      return world.setClock(Math.min(world.now() + what.ms, end))
    case "edit":
      return update(`sync_schedule = '${what.to}'`)
    case "zone":
      return update(`timezone = '${what.to}'`)
    case "break":
      return update("sync_schedule = '61 * * * *'")
    case "enable":
      return update(`enabled = ${what.on}`)
    case "policy":
      return update(`catch_up = '${what.to}', catch_up_window = interval '50 minutes'`)
    case "endless":
      return update("next_run_at = '-infinity'")
    case "sooner":
      return update("next_run_at = sync_scheduler.clock()", "next_run_at > sync_scheduler.clock()")
    case "trigger":
      return world.sql`select trigger_sync_run(${id}, 'ada', 'why not')`
    case "replace":
      await world.sql`delete from organization_integrations where id = ${id}`
      ids[index] = await insert(world.now() % 2 === 0)
      return
    case "answers":
      world.answer = () => answers[what.how] ?? completed
  }
}

interface Rows {
  readonly slots: ReadonlyArray<{ readonly integration_id: string; readonly at: number }>
  readonly ranges: ReadonlyArray<{
    readonly integration_id: string
    readonly from: number
    readonly to: number
  }>
}

const ms = (column: string) => `floor(extract(epoch from ${column}) * 1000)::float8`

const readRows = async (): Promise<Rows> => ({
  slots: await world.sql.unsafe(
    `select integration_id, ${ms("scheduled_for")} as at from sync_run_log`
  ),
  ranges: await world.sql.unsafe(
    `select integration_id, ${ms('"from"')} as from, ${ms('"to"')} as to from sync_skipped_range`
  )
})

/** Returns the past slots that the schedule history requires. Shares no code with the engine. */
const readExpected = async (): Promise<ReadonlySet<string>> => {
  const parts: ReadonlyArray<{
    readonly integration_id: string
    readonly schedule: string
    readonly timezone: string
    readonly from: number
    readonly to: number | null
    readonly first: number | null
    readonly next: number | null
    readonly since: number | null
  }> = await world.sql.unsafe(`
    select h.integration_id, h.schedule, h.timezone, ${ms('h."from"')} as from, ${ms('h."to"')} as to,
           ${ms("h.first_slot")} as first, ${ms("i.next_run_at")} as next, ${ms("i.schedule_since")} as since
      from sync_schedule_history h left join organization_integrations i on i.id = h.integration_id
     where h.enabled and h.schedule <> '61 * * * *'`)
  const expected = parts.flatMap((part) => {
    const clock = readings.get(part.timezone)
    if (clock === undefined) return []
    const to = part.to ?? world.now()
    const grid = oracleSlots(part.schedule, clock, part.first ?? part.from, to)
    const all = part.first !== null && part.first <= to ? [part.first, ...grid] : grid
    const open = part.to !== null ? Infinity : (part.next ?? (part.since ?? 0) + 1)
    return all.filter((slot) => slot < open).map((slot) => `${part.integration_id} ${slot}`)
  })
  return new Set(expected)
}

const missingIn = (
  expected: ReadonlySet<string>,
  { ranges, slots }: Rows
): ReadonlyArray<string> => {
  const recorded = new Set(slots.map((row) => `${row.integration_id} ${row.at}`))
  return [...expected].filter((key) => {
    const [id, text] = key.split(" ")
    const slot = Number(text)
    const isSkipped = ranges.some(
      (range) => range.integration_id === id && range.from <= slot && slot <= range.to
    )
    return !recorded.has(key) && !isSkipped
  })
}

const auditNow = async () => world.audit({ from: start - DAY })

const expectHoles = async (missing: ReadonlyArray<string>) => {
  const report = await auditNow()
  const named = missing.filter((key) => {
    const [id, slot] = key.split(" ")
    return report.holes.some(
      (hole) => hole.integration_id === id && hole.from <= Number(slot) && Number(slot) <= hole.to
    )
  })
  expect(named).toEqual([...missing])
  expect(report.missing).toBe(missing.length)
}

test("after any sequence of events every slot has a row or a range, and the audit finds each one that is deleted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(historyEvent, { minLength: 25, maxLength: 60 }),
      fc.nat(),
      async (events, pick) => {
        await world.reset(start)
        world.answer = () => completed
        const ids = [await insert(false), await insert(true), await insert(false)]
        for (const event of events) await applyEvent(event, ids)

        const expected = await readExpected()
        const rows = await readRows()
        expect(missingIn(expected, rows)).toEqual([])
        await expectHoles([])

        for (const [table, count] of [
          ["sync_run_log", rows.slots.length],
          ["sync_skipped_range", rows.ranges.length]
        ] as const) {
          if (count === 0) continue
          const [taken] = await world.sql.unsafe(
            `delete from ${table} where id = (select id from ${table} order by id limit 1 offset ${pick % count})
           returning to_jsonb(${table}) as row`
          )
          await expectHoles(missingIn(expected, await readRows()))
          await world.sql.unsafe(
            `insert into ${table} overriding system value select * from jsonb_populate_record(null::${table}, $1::text::jsonb)`,
            [JSON.stringify(taken.row)]
          )
        }
      }
    ),
    { numRuns: 12, endOnFailure: true }
  )
}, 180_000)

test("a next_run_at of -infinity is replaced by the next slot, and a slot that is already due is kept", async () => {
  await world.reset(start)
  const states = async () => {
    const rows: ReadonlyArray<{ readonly next: number | null; readonly since: number }> =
      await world.sql.unsafe(
        `select ${ms("next_run_at")} as next, ${ms("schedule_since")} as since from organization_integrations order by created_at`
      )
    return rows.map(({ next, since }) => [next, since])
  }
  const makeEndless = () =>
    world.sql.unsafe("update organization_integrations set next_run_at = '-infinity'")
  await world.insert({ next_run_at: "'-infinity'" })
  expect(await states()).toEqual([[null, start]])
  await world.tick()
  await world.setClock(start + MINUTE)
  await makeEndless()
  expect(await states()).toEqual([[null, start + MINUTE]])
  await world.tick()
  await world.setClock(start + 6 * MINUTE)
  await makeEndless()
  expect(await states()).toEqual([[start + 5 * MINUTE, start + MINUTE]])
  expect(await world.tick()).toMatchObject({ completed: 1, missed: 0 })
})

test("slots that an application skips by changing next_run_at are holes", async () => {
  await world.reset(start)
  const id = await world.insert({ sync_schedule: "'0 * * * *'" })
  await world.tick()
  await world.sql`update organization_integrations set next_run_at = next_run_at + interval '2 hours' where id = ${id}`
  await world.setClock(start + 3 * 60 * MINUTE)
  await world.tick()
  expect((await auditNow()).holes).toMatchObject([
    { from: start + 60 * MINUTE, to: start + 120 * MINUTE, count: 2, schedule: "0 * * * *" }
  ])
})
