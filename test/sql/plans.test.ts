import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import type { SQL } from "bun"
import { connect } from "../support/Postgres.ts"
import { type Ledger, next, onEachServer, type Row, slot, slotOf } from "./Ledger.ts"
import { DUE, fill, ROWS, reading } from "./Reading.ts"
import { list } from "./RunFixture.ts"

/** Makes all of a tick's calls in one session. */
const work = async (ledger: Ledger, session: SQL) => {
  const call = (name: string, args: Row) => ledger.call(name, args, session)
  const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
  const opened = await call("open_sync_tick", { ...tick, p_options: { limit: 20 } })
  await call("read_due_integrations", { p_limit: 20, p_cursor: opened.cursor })
  const slots = list(opened.integrations).map(({ integration_id }) =>
    slotOf(String(integration_id))
  )
  const claimed = list(
    (
      await call("claim_sync_runs", {
        p_engine_id: "e1",
        p_claim_token: randomUUID(),
        p_slots: slots
      })
    ).claimed
  )
  const starts = claimed.map(({ run_id }) => ({
    run_id,
    lease_token: randomUUID(),
    lease_seconds: 60
  }))
  await call("start_sync_runs", { p_engine_id: "e1", p_starts: starts })
  await call("settle_sync_runs", {
    p_engine_id: "e1",
    p_settlements: starts.map((start) => ({ ...start, outcome: "completed" }))
  })
  await call("release_sync_claims", {
    p_engine_id: "e1",
    p_run_ids: claimed.map(({ run_id }) => run_id)
  })
  await call("finish_sync_tick", { ...tick, p_summary: {} })
  return claimed.length
}

onEachServer(
  "the reads of a tick",
  (ledger) => {
    for (const [title, warmUp] of [
      ["in a new session", false],
      ["in a session whose plans were made while the tables were empty", true]
    ] as const) {
      test(`a tick scans no table sequentially, ${title}`, async () => {
        await ledger().reset()
        const session = connect(ledger().url, { max: 1 })
        // PostgreSQL caches a generic plan after six executions.
        for (let n = 0; warmUp && n < 6; n++) await work(ledger(), session)
        await fill(ledger())
        let claimed = 0
        const read = await reading(session, async (transaction) => {
          claimed = await work(ledger(), transaction)
        })
        expect(claimed).toBe(20)
        for (const { name, scans, fetched } of read) {
          expect([name, scans]).toEqual([name, 0])
          expect(fetched).toBeLessThan(ROWS / 10)
        }
        // Every page after the first must start at its cursor.
        for (let n = 0; n < 5; n++) await work(ledger(), session)
        expect(
          await ledger().rows("select count(*) from public.sync_run_log where attempt = 1")
        ).toEqual([{ count: DUE }])
        await ledger().execute(`update public.organization_integrations set next_run_at = '${slot}' where id in (
          select id from public.organization_integrations order by id limit 3000)`)
        let cursor: unknown = null
        let seen = 0
        let most = 0
        do {
          const [integrations] = (
            await reading(session, async (transaction) => {
              const page = await ledger().call(
                "read_due_integrations",
                { p_cursor: cursor },
                transaction
              )
              cursor = page.cursor
              seen += list(page.integrations).length
            })
          ).filter(({ name }) => name === "organization_integrations")
          most = Math.max(most, integrations?.fetched ?? 0)
        } while (cursor !== null)
        expect(seen).toBe(3000)
        expect(most).toBeLessThan(400)
        await session.close()
      }, 60_000)
    }

    test.each([
      ["in a new session", false],
      ["in a session whose plans were made while the tables were empty", true]
    ] as const)(
      "an idle tick reads almost nothing, %s",
      async (_, warmUp) => {
        await ledger().reset()
        const session = connect(ledger().url, { max: 1 })
        for (let n = 0; warmUp && n < 6; n++) {
          const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
          await ledger().call("open_sync_tick", tick, session)
        }
        await fill(ledger())
        await ledger().execute(
          `update public.organization_integrations set next_run_at = '${next}' where next_run_at = '${slot}'`
        )
        const read = await reading(session, async (transaction) => {
          const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
          expect(await ledger().call("open_sync_tick", tick, transaction)).toMatchObject({
            idle: true
          })
        })
        for (const { name, scans, fetched } of read) {
          expect([name, scans]).toEqual([name, 0])
          // Old index entries of changed rows remain until the next vacuum.
          expect(`${name} ${fetched < 3 * DUE} ${fetched}`).toContain("true")
        }
        await session.close()
      },
      60_000
    )
  },
  { adopted: false }
)
