import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { Explanation, explain } from "../../src/Operator/Explanation.ts"
import { setClock } from "../support/DatabaseClock.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"
import { FIXTURE_NOW, fixtureId } from "../support/OperatorFixture.ts"

setDefaultTimeout(60_000)

let fixture: FixtureDatabase
beforeAll(async () => {
  fixture = await openFixtureDatabase()
}, 60_000)
afterAll(() => fixture.close())

const DAY = 86_400_000
const of = (n: number, from = FIXTURE_NOW - DAY, to = FIXTURE_NOW + 1) =>
  fixture.run(explain({ integrationId: fixtureId(n), from, to, driftAlertMs: 300_000 }))

test.each<[string, number, Explanation["answer"], string]>([
  ["yes", 1, "yes", "Yes. The 02:00 run completed."],
  ["all day", 2, "yes", "Yes. All 48 runs completed."],
  [
    "not started",
    4,
    "no",
    "No. The 09:00 run has not started: due for 12 m, and no engine has claimed it."
  ],
  [
    "failing",
    5,
    "partly",
    'failed: UNAUTHORIZED, "the token was revoked". Failed on attempt 1; failures are not retried.'
  ],
  ["an invalid schedule", 6, "nothing_due", "so it never runs: minute is 61"],
  [
    "held",
    7,
    "unknown",
    "Unknown. The 02:00 run may have taken effect: HTTP 504 IDLE_TIMEOUT, the function did not answer within 150 s; on hold until someone decides."
  ],
  [
    "in progress",
    9,
    "not_yet",
    "Not yet. The 08:10 run is in progress: attempt 1, started 2 m ago."
  ],
  ["late, with the reason", 10, "yes", "Yes. The 06:00 run completed."],
  [
    "paused",
    11,
    "nothing_due",
    'No. Paused since 11-18 09:12:04 by ada@ops: "moving to a new ERP".'
  ],
  ["new", 12, "nothing_due", "No. Nothing was scheduled in this period."],
  [
    "skipped range",
    15,
    "partly",
    "284 of 288 runs completed; 4 skipped. The 04:15 run was skipped: a newer run was also due"
  ],
  [
    "between two attempts",
    16,
    "not_yet",
    "Not yet. The 08:05 run is being retried: HTTP 503 BOOT_ERROR, the function did not start; attempt 2 of 3 in 40 s."
  ]
])("%s", async (_title, n, answer, sentence) => {
  const explanation = await of(n)
  expect(explanation.answer).toBe(answer)
  expect(explanation.sentence).toContain(sentence)
  expect(Schema.decodeSync(Explanation)(Schema.encodeSync(Explanation)(explanation))).toEqual(
    explanation
  )
})

test("every slot of the day has a line with its outcome, its number of attempts and its delay", async () => {
  const night = await of(1)
  expect(night.slots).toMatchObject([
    {
      outcome: "completed",
      expected: true,
      why: "started 3 m late; attempt 1: HTTP 503 BOOT_ERROR, the function did not start"
    }
  ])
  expect(night.next).toBe("11-23 02:00 (in 2 d 17 h)")
  const outage = (await of(15)).slots.filter(({ outcome }) => outcome === "skipped_range")
  expect(outage.length).toBe(4)
  expect(outage[0]?.why).toContain("no engine ticked from 03:58 to 04:22")
  const late = await of(10)
  expect(late.slots[0]?.why).toStartWith("started 22 m late; no engine ticked from")
})

test("the explanation names the causes and the commands that help", async () => {
  const held = await of(7)
  const heldRun = held.integration?.live_run?.run_id.slice(0, 8)
  expect(held.actions).toEqual([
    { what: "it did not run", command: `sync-scheduler runs retry ${heldRun} --wait` },
    { what: "it did run", command: `sync-scheduler runs release ${heldRun}` }
  ])
  const broken = await of(8)
  expect(broken.next).toStartWith("none until its breaker closes at 06:12:04")
  expect(broken.notes.join(" ")).toContain("is throttled until")
})

test("a later completed run is mentioned, and no retry of the failed run is suggested", async () => {
  const own = await openFixtureDatabase()
  const ask = (from: number, to: number) =>
    own.run(explain({ integrationId: fixtureId(5), from, to, driftAlertMs: 300_000 }))
  const before = await ask(FIXTURE_NOW - DAY, FIXTURE_NOW + 1)
  expect(before.actions[0]?.command).toContain("runs retry")
  const complete = (trigger: string, minutes: number) => own.sql`
    insert into sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
        attempt, max_attempts, created_at, started_at, finished_at)
      select gen_random_uuid(), integration_id, org_id, integration_type, at, at::text, ${trigger}, 'completed', 1, 3, at, at, at
        from sync_run_log, lateral (select scheduled_for + ${minutes} * interval '1 minute' as at) t
       where integration_id = ${fixtureId(5)} order by scheduled_for desc limit 1`
  await complete("manual", 1)
  const after = await ask(FIXTURE_NOW - DAY, FIXTURE_NOW + 1)
  expect(after).toMatchObject({ answer: "partly", actions: [] })
  expect(after.sentence).toEndWith(
    'The 08:00 run failed: UNAUTHORIZED, "the token was revoked". An unscheduled run completed at 08:01.'
  )
  const earlier = await ask(FIXTURE_NOW - DAY, FIXTURE_NOW - 12 * 60_000)
  expect(earlier.actions).toEqual([])
  expect(earlier.sentence).toEndWith("An unscheduled run completed at 08:01.")
  // With catch_up = 'all', a later scheduled run does not make up for a failed run. A manual run does.
  await own.sql.unsafe(`
    alter table sync_run_log disable trigger user;
    update sync_run_log set trigger = 'schedule' where trigger = 'manual';
    alter table sync_run_log enable trigger user`)
  expect((await ask(FIXTURE_NOW - DAY, FIXTURE_NOW + 1)).sentence).toEndWith(
    "The 08:01 run completed."
  )
  await own.sql`update organization_integrations set catch_up = 'all' where id = ${fixtureId(5)}`
  const each = await ask(FIXTURE_NOW - DAY, FIXTURE_NOW + 1)
  expect(each.sentence).toEndWith("failures are not retried.")
  expect(each.actions[0]?.command).toContain("runs retry")
  await own.close()
})

test("a slot is judged by the schedule version of its time", async () => {
  const own = await openFixtureDatabase()
  await own.sql`update organization_integrations set sync_schedule = '0 5 * * *', next_run_at = null where id = ${fixtureId(2)}`
  await setClock(own.sql, FIXTURE_NOW + 60_000)
  const explanation = await own.run(
    explain({
      integrationId: fixtureId(2),
      from: FIXTURE_NOW - DAY,
      to: FIXTURE_NOW + DAY,
      driftAlertMs: 300_000
    })
  )
  expect(explanation).toMatchObject({ answer: "yes", expected: 48 })
  expect(explanation.notes.join()).toContain('its schedule was "*/30 * * * *" (Europe/Oslo).')
  await own.sql`delete from organization_integrations where id = ${fixtureId(2)}`
  const gone = await own.run(
    explain({
      integrationId: fixtureId(2),
      from: FIXTURE_NOW - DAY,
      to: FIXTURE_NOW + DAY,
      driftAlertMs: 300_000
    })
  )
  expect(gone).toMatchObject({
    answer: "yes",
    integration: null,
    next: "none: the integration was deleted"
  })
  await own.close()
})

test("an invalid row of an adopted table is explained, with a fix", async () => {
  const own = await openFixtureDatabase()
  const ask = (n: number) =>
    own.run(
      explain({
        integrationId: fixtureId(n),
        from: FIXTURE_NOW - DAY,
        to: FIXTURE_NOW + 1,
        driftAlertMs: 300_000
      })
    )
  await own.sql.unsafe(
    `alter table organization_integrations alter column enabled drop not null, alter column timezone drop not null,
      drop constraint organization_integrations_bounds`
  )
  await own.sql`update organization_integrations set next_run_at = 'infinity' where id = ${fixtureId(12)}`
  await own.sql`update organization_integrations set enabled = null, timezone = null where id = ${fixtureId(1)}`
  const endless = await ask(12)
  expect(endless).toMatchObject({
    answer: "nothing_due",
    sentence:
      "No. It never runs: next_run_at is not between the years 1900 and 9000: set it to null, and the next tick computes it.",
    next: "none until the error is fixed",
    actions: [],
    integration: { state: "invalid_schedule" }
  })
  await own.sql`update organization_integrations set sync_schedule = repeat('x', 2000) where id = ${fixtureId(12)}`
  await own.sql`update organization_integrations set next_run_at = null where id = ${fixtureId(12)}`
  expect((await ask(12)).sentence).toBe(
    "No. It never runs: sync_schedule has 2000 bytes; at most 1000 are allowed."
  )
  const undecided = await ask(1)
  expect(undecided.integration).toMatchObject({
    state: "invalid_schedule",
    why: "enabled is null: set it to true or false"
  })
  expect(undecided.notes.slice(0, 2)).toEqual([
    "It never runs: enabled is null: set it to true or false.",
    "It has no time zone, so its schedule is interpreted in UTC."
  ])
  await own.close()
})

test("a completed run never leads to the answer no", async () => {
  const own = await openFixtureDatabase()
  const ask = (n: number, from = FIXTURE_NOW - DAY) =>
    own.run(
      explain({ integrationId: fixtureId(n), from, to: FIXTURE_NOW + 1, driftAlertMs: 300_000 })
    )
  const insert = (id: string, n: number, trigger: string, status: string, at: number) => own.sql`
    insert into sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
      attempt, started_at, finished_at)
    select ${id}::uuid, i.id, i.org_id, i.integration_type, ${new Date(at)}, ${id}, ${trigger}, ${status}, 1, ${new Date(at)}, ${new Date(at)}
      from organization_integrations i where i.id = ${fixtureId(n)}`
  // A user set this run's due time, and the schedule has had no slot yet.
  await insert(
    "aaaaaaaa-0000-4000-8000-000000000001",
    12,
    "schedule",
    "completed",
    FIXTURE_NOW - 90_500
  )
  expect(await ask(12)).toMatchObject({ answer: "yes", expected: 1, completed: 1 })
  expect((await ask(12)).sentence).toBe("Yes. The 13:40:33 run completed.")
  // The runs are older than the schedule history, as in an adopted table.
  await own.sql`update sync_schedule_history set "from" = ${new Date(FIXTURE_NOW - 60_000)}, first_slot = null, since = ${new Date(FIXTURE_NOW - 60_000)}
    where integration_id = ${fixtureId(2)}`
  expect(await ask(2)).toMatchObject({ answer: "yes", expected: 48, completed: 48 })
  await insert(
    "aaaaaaaa-0000-4000-8000-000000000002",
    6,
    "manual",
    "completed",
    FIXTURE_NOW - 60_000
  )
  expect(await ask(6)).toMatchObject({
    answer: "yes",
    sentence: "Yes. The 08:11:04 run completed, outside the schedule."
  })
  await insert(
    "aaaaaaaa-0000-4000-8000-000000000003",
    8,
    "manual",
    "completed",
    FIXTURE_NOW - 60_000
  )
  const after = await ask(8, FIXTURE_NOW - 2 * 3_600_000)
  expect(after.answer).toBe("partly")
  expect(after.sentence).toStartWith(
    'Partly. The 03:00 run failed: THROTTLED, "429 from QuickBooks".'
  )
  expect(after.sentence).toEndWith("An unscheduled run completed at 03:11:04.")
  await own.close()
})
