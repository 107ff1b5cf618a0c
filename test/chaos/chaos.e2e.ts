import { beforeAll, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { audit } from "./Audit.ts"
import { runChaos } from "./Chaos.ts"
import { startFleet } from "./Fleet.ts"
import { killPoints } from "./KillPoint.ts"
import { seed, untilQuiet } from "./Load.ts"
import { showReport } from "./Report.ts"
import { startSite } from "./Site.ts"

beforeAll(binaryPath, 60_000)

test("kills of engines at each of the ten moments and at random, and of PostgreSQL and the functions, lose and double nothing", async () => {
  const report = await runChaos({
    kills: 14,
    freezes: 2,
    servers: {
      "PostgreSQL killed": 2,
      "PostgreSQL stopped": 1,
      "functions killed": 1,
      "database read-only": 1
    },
    engines: 4
  })
  expect(report.violations, showReport(report)).toEqual([])
  for (const { name } of killPoints) expect(report.kills[name]).toBeGreaterThanOrEqual(1)
  expect(report).toMatchObject({ lost: 0, doubled: 0 })
  expect(report.slots).toBe(report.rows + report.skippedSlots)
  expect(report.effects).toBeGreaterThanOrEqual(report.rows)
}, 600_000)

test("the audit detects every kind of damage", async () => {
  const site = await startSite()
  await seed(site, 1, 3)
  const fleet = startFleet([site.environments.api], ["run", "-o", "json"])
  await untilQuiet(site, 60_000)
  await fleet.stop()
  const look = async () => (await audit(site, fleet.exits)).violations.join("\n")
  expect(await look()).toBe("")

  const runs = await site.query<{ id: string; idempotency_key: string }>(
    `select id, idempotency_key from sync_run_log where integration_type = 'fenced, hold' order by scheduled_for`
  )
  const [first, second, third] = runs
  const book = (key: string | undefined) =>
    fetch(`${site.ledger.url}/effects`, {
      method: "POST",
      body: JSON.stringify({ key, run_id: first?.id, attempt: 1 })
    })
  const change = (statement: string) => site.query(statement)
  await change("alter table sync_run_log disable trigger user")

  const damages: ReadonlyArray<readonly [damage: () => Promise<unknown>, seen: string]> = [
    [() => book(first?.idempotency_key), "no effect is doubled: 1"],
    [() => book("nobody's"), "every effect belongs to a run: 1"],
    [
      () =>
        fetch(`${site.environments.api.SUPABASE_URL}/functions/v1/integration-sync`, {
          method: "POST",
          body: JSON.stringify({ run_id: first?.id, attempt: 1 })
        }),
      `attempt ${first?.id} 1 was sent 2 times`
    ],
    [
      () =>
        change(`delete from sync_run_event where run_id = '${second?.id}' and kind = 'settled'`),
      "its events end in running"
    ],
    [
      () => change(`update sync_run_log set attempt = 2 where id = '${first?.id}'`),
      "1 starts recorded, 2 attempts made"
    ],
    [
      () => change(`update sync_run_log set status = 'running' where id = '${first?.id}'`),
      "an engine reported"
    ],
    [
      () => change(`update sync_run_log set idempotency_key = 'x' where id = '${third?.id}'`),
      "a completed run has an effect: 1"
    ],
    [
      () => change(`delete from sync_run_log where id = '${second?.id}'`),
      "slots without a row or a range: 1"
    ],
    [
      () =>
        change(`insert into sync_skipped_range (integration_id, "from", "to", count, reason)
                select integration_id, scheduled_for, scheduled_for, 1, 'superseded'
                  from sync_run_log where id = '${third?.id}'`),
      "slots with more than one row or range: 1"
    ],
    [
      () =>
        change(`update organization_integrations set next_run_at = next_run_at + interval '2 minutes'
                 where integration_type = 'unfenced, hold'`),
      "next_run_at is the slot after the last one"
    ]
  ]
  for (const [damage, seen] of damages) {
    expect(await look()).not.toContain(seen)
    await damage()
    expect(await look()).toContain(seen)
  }
  await site.close()
}, 120_000)
