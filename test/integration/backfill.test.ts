import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { randomUUID } from "node:crypto"
import { type HistoryWorld, openHistoryWorld } from "../support/HistoryWorld.ts"

const HOUR = 3_600_000
const noon = Date.UTC(2026, 2, 10, 12, 0, 0)
const hour = (n: number): string => new Date(noon + n * HOUR).toISOString()

setDefaultTimeout(60_000)

let world: HistoryWorld
beforeAll(async () => {
  world = await openHistoryWorld(noon)
}, 60_000)
afterAll(() => world.close())
beforeEach(() => world.reset(noon - 10 * HOUR))

const insertHourly = (columns: Readonly<Record<string, string>> = {}) =>
  world.insert({ sync_schedule: "'0 * * * *'", ...columns })

/** Ticks at 03:00, 04:00 and, after an outage, 11:30. The next run is due at 12:00. */
const passOutage = async () => {
  for (const at of [-9, -8, -0.5]) {
    await world.setClock(noon + at * HOUR)
    await world.tick()
  }
}

const afterOutage = async (columns: Readonly<Record<string, string>> = {}): Promise<string> => {
  const id = await insertHourly(columns)
  await passOutage()
  return id
}

const request = async (id: string, from: number, to: number) => {
  const rows = await world.sql`
    select request_sync_backfill(${id}, ${hour(from)}::timestamptz, ${hour(to)}::timestamptz, 'ada', 'ERP was down') as answer`
  return rows[0].answer
}

/** Returns the backfilled slots in claim order, in hours relative to noon. */
const backfilled = async (id: string): Promise<ReadonlyArray<number>> => {
  const rows: ReadonlyArray<{ readonly scheduled_for: Date }> = await world.sql`
    select l.scheduled_for from sync_run_log l join sync_run_event e on e.run_id = l.id and e.kind = 'claimed'
     where l.integration_id = ${id} and l.trigger = 'backfill' order by e.id`
  return rows.map((row) => (row.scheduled_for.getTime() - noon) / HOUR)
}

const status = async (id: string) => {
  const rows = await world.sql`
    select b.status, b.claimed::int, b.cursor, i.next_run_at from sync_backfill b
      left join organization_integrations i on i.id = b.integration_id where b.integration_id = ${id} order by b.created_at`
  return rows
}

describe("a backfill request", () => {
  test("makes a tick run the slots without a row, oldest first, without changing the schedule", async () => {
    const id = await afterOutage()
    expect(await request(id, -9, 0)).toMatchObject({ done: true, enabled: true })
    const summary = await world.tick()
    expect(summary).toMatchObject({ due: 6, triggered: 6, completed: 6, errors: [] })
    expect(summary.drift).toEqual({ max_ms: 0, over_threshold: 0 })
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
    const [row] = await status(id)
    expect(row).toMatchObject({ status: "done", claimed: 6 })
    expect(row.next_run_at.getTime()).toBe(noon)
    const drifts = await world.sql`select count(*)::int as n from sync_incident
                                    where kind = 'drift' and opened_at > to_timestamp(${noon / 1000}) - interval '20 minutes'`
    expect(drifts[0].n).toBe(0)
    expect(await world.tick()).toMatchObject({ due: 0, errors: [] })
    await world.setClock(noon)
    expect(await world.tick()).toMatchObject({ completed: 1, missed: 0 })
    expect((await world.audit({ from: noon - 12 * HOUR })).missing).toBe(0)
  })

  test("includes its start, excludes its end, is limited to the past, and is done immediately if it has no slots", async () => {
    const id = await afterOutage()
    await request(id, -9, -6)
    await world.tick()
    expect(await backfilled(id)).toEqual([-7])
    expect(await request(id, -9, 50)).toMatchObject({ to: hour(-0.5) })
    await request(id, -9, -7)
    await world.tick()
    await world.tick()
    expect((await status(id)).map((row: { status: string }) => row.status)).toEqual([
      "done",
      "done",
      "done"
    ])
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
  })

  test("is refused with a reason; a repeated request is not stored twice", async () => {
    const id = await afterOutage()
    expect(await request(randomUUID(), -9, 0)).toMatchObject({ done: false, reason: "not_found" })
    expect(await request(id, -5, -5)).toMatchObject({ done: false, reason: "empty" })
    expect(await request(id, 1, 5)).toMatchObject({ done: false, reason: "not_past" })
    expect(await request(id, -24 * 401, 0)).toMatchObject({
      done: false,
      reason: "beyond_retention"
    })
    const first = await request(id, -9, 0)
    expect(await request(id, -9, 0)).toEqual(first)
    await expect(
      world.sql`select request_sync_backfill(${id}, now(), now(), 'ada', ' ')`.execute()
    ).rejects.toThrow("why")
  })

  test("continues tick by tick within the limit, with one claim at a time", async () => {
    const id = await afterOutage()
    await request(id, -9, 0)
    expect(await world.tick({ limit: 2 })).toMatchObject({ triggered: 2 })
    expect(await backfilled(id)).toEqual([-7, -6])
    expect(await world.tick({ limit: 1 })).toMatchObject({ triggered: 1 })
    expect(await world.tick({ budgetMs: 0 })).toMatchObject({ triggered: 0 })
    expect(await world.tick()).toMatchObject({ triggered: 3 })
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
  })

  test("of several integrations stays within the limit", async () => {
    const ids = [await insertHourly(), await insertHourly(), await insertHourly()]
    await passOutage()
    for (const id of ids) await request(id, -9, 0)
    expect(await world.tick({ limit: 2 })).toMatchObject({ triggered: 2 })
    expect(await world.tick({ limit: 5 })).toMatchObject({ triggered: 5 })
    const claimed = await Promise.all(ids.map(backfilled))
    expect(claimed.flat()).toHaveLength(7)
  })

  test("comes after the scheduled slots of every integration", async () => {
    const id = await afterOutage()
    const other = await world.insert({
      sync_schedule: "'0 * * * *'",
      next_run_at: `'${hour(-0.5)}'`
    })
    await request(id, -9, 0)
    expect(await world.tick({ limit: 1 })).toMatchObject({ triggered: 1 })
    expect(await backfilled(id)).toEqual([])
    const rows = await world.sql`select 1 from sync_run_log where integration_id = ${other}`
    expect(rows.length).toBe(1)
    await world.setClock(noon)
    await world.tick()
    const claims: ReadonlyArray<{ readonly trigger: string }> =
      await world.sql`select l.trigger from sync_run_event e join sync_run_log l on l.id = e.run_id
                        where e.kind = 'claimed' and e.at = to_timestamp(${noon / 1000}) order by e.id`
    expect(claims.slice(0, 2).map((row) => row.trigger)).toEqual(["schedule", "schedule"])
  })

  test("runs every slot once with two concurrent engines", async () => {
    const ids = [await insertHourly(), await insertHourly(), await insertHourly()]
    await passOutage()
    for (const id of ids) await request(id, -9, 0)
    for (let round = 0; round < 12; round += 1) {
      await Promise.all([
        world.tick({ limit: 3 }),
        world.tick({ limit: 3 }),
        world.tick({ limit: 3 })
      ])
    }
    for (const id of ids)
      expect((await backfilled(id)).toSorted((a, b) => a - b)).toEqual([-7, -6, -5, -4, -3, -2])
    const open =
      await world.sql`select count(*)::int as n from sync_backfill where status <> 'done'`
    expect(open[0].n).toBe(0)
  })

  test("waits while its integration is disabled, and continues once it is enabled", async () => {
    const id = await afterOutage()
    await request(id, -9, 0)
    await world.sql`update organization_integrations set enabled = false where id = ${id}`
    expect(await world.tick()).toMatchObject({ due: 0, errors: [] })
    const ticks =
      await world.sql`select finished_at = started_at as is_idle from sync_tick order by started_at desc, ctid desc limit 1`
    expect(ticks[0].is_idle).toBe(true)
    await world.sql`update organization_integrations set enabled = true where id = ${id}`
    await world.tick()
    expect((await backfilled(id)).length).toBe(6)
  })

  test("includes the slots that passed while the integration was disabled", async () => {
    const id = await world.insert({ sync_schedule: "'0 * * * *'" })
    await world.sql`update organization_integrations set enabled = false where id = ${id}`
    await world.setClock(noon - HOUR / 2)
    await world.sql`update organization_integrations set enabled = true where id = ${id}`
    await request(id, -4, 0)
    await world.tick()
    expect(await backfilled(id)).toEqual([-4, -3, -2, -1])
  })

  test("keeps the slots of the earlier schedule after an edit", async () => {
    const id = await afterOutage()
    await request(id, -9, 0)
    await world.tick({ limit: 3 })
    await world.sql`update organization_integrations set sync_schedule = '30 */2 * * *', timezone = 'Asia/Kathmandu' where id = ${id}`
    await world.tick()
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
    expect((await world.audit({ from: noon - 12 * HOUR })).missing).toBe(0)
  })

  test("waits for a live run, and for a held unknown run until its release", async () => {
    const id = await afterOutage({ on_unknown: "'hold'" })
    await request(id, -9, 0)
    world.answer = () => ({ _tag: "Unknown", httpStatus: 504, code: "IDLE_TIMEOUT", message: "?" })
    expect(await world.tick()).toMatchObject({ triggered: 1, unresolved: 1 })
    world.answer = () => ({ _tag: "Completed", httpStatus: 200, response: null })
    expect(await world.tick()).toMatchObject({ due: 0 })
    expect(await backfilled(id)).toEqual([-7])
    await world.sql`select release_sync_run(id, 'ada', 'looked') from sync_run_log where status = 'unknown'`
    await world.tick()
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
  })

  test("claims no further slot once it is cancelled, and ends with its integration", async () => {
    const id = await afterOutage()
    const { backfill_id } = await request(id, -9, 0)
    await world.tick({ limit: 2 })
    const cancel = async () =>
      (
        await world.sql`select cancel_sync_backfill(${backfill_id}, 'ada', 'changed my mind') as answer`
      )[0].answer
    expect(await cancel()).toMatchObject({ done: true, claimed: 2 })
    expect(await cancel()).toMatchObject({ done: false, reason: "already_cancelled" })
    expect(await world.tick()).toMatchObject({ due: 0 })
    expect(await backfilled(id)).toEqual([-7, -6])
    await request(id, -9, 0)
    await world.sql`delete from organization_integrations where id = ${id}`
    expect(await world.tick()).toMatchObject({ due: 0, errors: [] })
    expect((await status(id)).map((row: { status: string }) => row.status)).toEqual([
      "cancelled",
      "cancelled"
    ])
  })

  test("skips slots that already have a row, even a thousand of them", async () => {
    const id = await world.insert({
      sync_schedule: "'* * * * *'",
      created_at: `'${hour(-30)}'`,
      next_run_at: `'${hour(-30)}'`
    })
    await world.sql`
      insert into sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, trigger)
      select ${id}, gen_random_uuid(), t, ${id} || ':' || t, 'completed', 'schedule'
        from generate_series(${hour(-30)}::timestamptz, ${hour(-10)}::timestamptz, '1 minute') t
       where t not in (${hour(-12)}::timestamptz, ${hour(-30)}::timestamptz)`
    await world.tick()
    await world.setClock(world.now() + 1_000)
    await request(id, -30, 0)
    expect(await world.tick()).toMatchObject({ triggered: 2, completed: 2, errors: [] })
    expect(await backfilled(id)).toEqual([-30, -12])
    expect((await status(id))[0]).toMatchObject({ status: "done", claimed: 2 })
  })
})

describe("a backfill claim", () => {
  /** Claims the next slot of the only open request. */
  const claim = async (id: string, token: string, at: number, more: object = {}) => {
    const [row] = await world.sql`select b.id, b.cursor, i.org_id from sync_backfill b
       join organization_integrations i on i.id = b.integration_id where i.id = ${id} and status = 'open'`
    const slot = {
      integration_id: id,
      org_id: row.org_id,
      scheduled_for: hour(at),
      backfill: { id: row.id, cursor: row.cursor, next_cursor: hour(at), done: false },
      ...more
    }
    return async () => {
      const rows =
        await world.sql`select claim_sync_runs('e', ${token}, ${JSON.stringify([slot])}::text::jsonb) as answer`
      return rows[0].answer
    }
  }

  test("returns the same run when it is repeated with its token, and loses the race with another token", async () => {
    const id = await afterOutage()
    await request(id, -9, 0)
    const token = randomUUID()
    const mine = await claim(id, token, -7)
    const theirs = await claim(id, randomUUID(), -7)
    const first = await mine()
    expect(first).toMatchObject({
      claimed: [{ trigger: "backfill", scheduled_for: hour(-7) }],
      skipped: []
    })
    expect((await mine()).claimed).toEqual(first.claimed)
    expect(await theirs()).toMatchObject({ claimed: [], skipped: [{ reason: "lost_race" }] })
    const next = await claim(id, randomUUID(), -6)
    expect(await next()).toMatchObject({ claimed: [], skipped: [{ reason: "already_running" }] })
    expect((await status(id))[0]).toMatchObject({ claimed: 1 })
  })

  test("of a killed engine is adopted, and the request continues after it", async () => {
    const id = await afterOutage()
    await request(id, -9, 0)
    await (await claim(id, randomUUID(), -7))()
    expect(await world.tick()).toMatchObject({ due: 0 })
    await world.setClock(world.now() + 11_000)
    expect(await world.tick()).toMatchObject({ rescued: 1 })
    await world.tick()
    expect(await backfilled(id)).toEqual([-7, -6, -5, -4, -3, -2])
    const attempts =
      await world.sql`select max(attempt)::int as n, count(*)::int as rows from sync_run_log
                                      where integration_id = ${id} and trigger = 'backfill'`
    expect(attempts[0]).toEqual({ n: 1, rows: 6 })
  })

  test("is refused for a slot outside the request, or a slot that the schedule runs first", async () => {
    const id = await afterOutage()
    await request(id, -6, -3)
    for (const at of [-7, -3, 0, 5]) {
      const answer = await (await claim(id, randomUUID(), at))()
      expect(answer).toMatchObject({ claimed: [], skipped: [{ reason: "rejected" }] })
    }
    await world.setClock(noon)
    const due = await (await claim(id, randomUUID(), -5))()
    expect(due).toMatchObject({ claimed: [], skipped: [{ reason: "schedule_first" }] })
  })
})
