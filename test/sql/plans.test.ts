import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import type { SQL } from "bun"
import { connect } from "../support/Postgres.ts"
import { at, type Ledger, next, onEachServer, org, type Row, slot, slotOf } from "./Ledger.ts"
import { list } from "./Scene.ts"

const ROWS = 20_000
const DUE = 120

/** Many integrations of which few are due, and a long history. Triggers are off: this is about reading. */
const fill = (ledger: Ledger) =>
  ledger.execute(`
    alter table public.organization_integrations disable trigger user;
    insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
    select '${org}', 'xledger', '*/5 * * * *', case when n <= ${DUE} then '${slot}'::timestamptz else '${at(3600)}' end
      from generate_series(1, ${ROWS}) n;
    alter table public.organization_integrations enable trigger user;
    insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, created_at)
    select gen_random_uuid(), '${org}', '${at(-86_400)}', n::text, 'completed', '${at(-86_400)}'
      from generate_series(1, ${ROWS}) n;
    insert into public.sync_run_event (run_id, integration_id, at, kind)
    select id, integration_id, created_at, 'claimed' from public.sync_run_log`)

/** A whole tick's worth of calls in one session: open, page, claim, start, settle, finish. */
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

interface Reading {
  readonly name: string
  readonly scans: number
  readonly fetched: number
}

/** What a transaction read, by table: whole-table scans, and rows fetched by index. */
const reading = (session: SQL, body: (session: SQL) => Promise<unknown>) =>
  session.begin(async (transaction): Promise<ReadonlyArray<Reading>> => {
    // The counters hold what the session read before as well, until it is sent off.
    const count = (): Promise<ReadonlyArray<Reading>> => transaction`
      select relname as name, seq_scan::int as scans, coalesce(idx_tup_fetch, 0)::int as fetched
        from pg_stat_xact_user_tables
       where schemaname = 'public' and relname in ('organization_integrations', 'sync_run_log', 'sync_run_event')
       order by 1`
    const before = await count()
    await body(transaction)
    const after = await count()
    return after.map(({ name, scans, fetched }) => {
      const earlier = before.find((row) => row.name === name)
      return {
        name,
        scans: scans - (earlier?.scans ?? 0),
        fetched: fetched - (earlier?.fetched ?? 0)
      }
    })
  })

onEachServer(
  "what a tick reads",
  (ledger) => {
    for (const [title, warmUp] of [
      ["in a new session", false],
      ["in a session whose plans were made while the tables were empty", true]
    ] as const) {
      test(`no table as a whole, ${title}`, async () => {
        await ledger().reset()
        const session = connect(ledger().url, { max: 1 })
        // Six times: then a plan is kept for all arguments.
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
        // With plans for all arguments, too: the pages after the first start at their cursor.
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

    test("an idle tick reads next to nothing", async () => {
      await ledger().reset()
      await fill(ledger())
      await ledger().execute(
        `update public.organization_integrations set next_run_at = '${next}' where next_run_at = '${slot}'`
      )
      const session = connect(ledger().url, { max: 1 })
      const read = await reading(session, async (transaction) => {
        const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
        expect(await ledger().call("open_sync_tick", tick, transaction)).toMatchObject({
          idle: true
        })
      })
      for (const { name, scans, fetched } of read) {
        expect([name, scans]).toEqual([name, 0])
        // The entries of slots that were moved just now are still in the index until it is vacuumed.
        expect(`${name} ${fetched < 3 * DUE} ${fetched}`).toContain("true")
      }
      await session.close()
    }, 60_000)
  },
  { adopted: false }
)
