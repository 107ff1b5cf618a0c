import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { onEachServer, org, slot } from "./Ledger.ts"
import { fill, reading } from "./Reading.ts"

onEachServer(
  "a tick with statistics from a time when all integrations were due and all runs pending",
  (ledger) => {
    test("scans no table sequentially", async () => {
      await ledger().execute(`
        insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
        select '${org}', 'xledger', '*/5 * * * *', '${slot}' from generate_series(1, 3);
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key)
        select id, org_id, '${slot}', id from public.organization_integrations`)
      await ledger().execute("vacuum analyze")
      await ledger().execute(
        "truncate public.organization_integrations, public.sync_run_log, public.sync_run_event cascade"
      )
      await fill(ledger())
      const session = connect(ledger().url, { max: 1 })
      const read = await reading(session, async (transaction) => {
        const tick = { p_tick_id: randomUUID(), p_engine_id: "e1", p_options: { limit: 20 } }
        await ledger().call("open_sync_tick", tick, transaction)
      })
      await session.close()
      expect(read.filter(({ fetched, scans }) => scans > 0 || fetched > 200)).toEqual([])
    }, 60_000)
  },
  { adopted: false }
)
