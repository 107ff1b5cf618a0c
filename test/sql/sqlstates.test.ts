import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { type Ledger, onEachServer, slotOf } from "./Ledger.ts"
import { list, openRunFixture } from "./RunFixture.ts"

/** Errors of a single row: the call succeeds, and reports the row and the reason. */
const OF_THE_ROW = ["22003", "22P02", "23502", "23505", "23514", "P0001"]
/** Errors that fail the whole call. */
const OF_THE_CALL = [
  ...["08006", "0A000", "25006", "42501", "42P01", "53100", "53200", "53300", "54000", "55000"],
  ...["57P01", "57P03", "58030", "F0000", "XX000", "XX001"]
]

/** While `use` runs, matching writes to the run log fail with this SQLSTATE. */
const raising = async (
  ledger: Ledger,
  sqlstate: string,
  condition: string,
  use: () => Promise<void>
) => {
  await ledger.execute(`
    create function public.refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused here' using errcode = '${sqlstate}'; end $$;
    create trigger refuse before insert or update on public.sync_run_log
      for each row when (${condition}) execute function public.refuse()`)
  try {
    await use()
  } finally {
    await ledger.execute(
      "drop trigger refuse on public.sync_run_log; drop function public.refuse()"
    )
  }
}

onEachServer("an error in the middle of a write", (ledger) => {
  const claimOne = async () => {
    await ledger().reset()
    const id = await ledger().integration()
    return ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [slotOf(id)]
    })
  }
  const startOne = async (runId: string) =>
    ledger().call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: [{ run_id: runId, lease_token: randomUUID(), lease_seconds: 60 }]
    })

  for (const sqlstate of OF_THE_ROW) {
    test(`${sqlstate} is the row's fault: a claim, a start and an outcome are rejected with the reason`, async () => {
      const detail = `${sqlstate}: refused here`
      await raising(ledger(), sqlstate, "new.status = 'pending'", async () => {
        const { skipped } = await claimOne()
        expect(list(skipped)).toMatchObject([{ reason: "rejected", detail }])
      })
      const fixture = await openRunFixture(ledger())
      await raising(ledger(), sqlstate, "new.status = 'running'", async () => {
        const { skipped } = await startOne(fixture.runId)
        expect(list(skipped)).toMatchObject([{ reason: "rejected", detail }])
      })
      await fixture.start()
      await raising(ledger(), sqlstate, "new.status = 'completed'", async () => {
        expect(await fixture.settle("completed")).toMatchObject({
          ...{ accepted: false, reason: "rejected", detail }
        })
      })
      expect(await fixture.settle("completed")).toMatchObject({
        accepted: true,
        status: "completed"
      })
    })
  }

  for (const sqlstate of OF_THE_CALL) {
    test(`${sqlstate} is the call's fault: the call fails, changes nothing, and works afterwards`, async () => {
      const failing = async (call: () => Promise<unknown>) => {
        await expect(call()).rejects.toThrow("refused here")
      }
      await raising(ledger(), sqlstate, "new.status = 'pending'", () => failing(claimOne))
      const fixture = await openRunFixture(ledger())
      await raising(ledger(), sqlstate, "new.status = 'running'", () =>
        failing(() => startOne(fixture.runId))
      )
      await fixture.start()
      await raising(ledger(), sqlstate, "new.status = 'completed'", () =>
        failing(() => fixture.settle("completed"))
      )
      expect(await fixture.row()).toMatchObject({ status: "running" })
      expect(await fixture.settle("completed")).toMatchObject({
        accepted: true,
        status: "completed"
      })
    })
  }

  test("a sweep reports a run that the project's trigger refuses, and fails with the database's own errors", async () => {
    for (const sqlstate of ["P0001", "23514", "42P01", "42501"]) {
      const fixture = await openRunFixture(ledger())
      await fixture.start()
      await fixture.after(10_000)
      await raising(ledger(), sqlstate, "new.status = 'unknown'", async () => {
        expect(await fixture.sweep()).toMatchObject({
          expired: 0,
          rejected: [{ integration_id: fixture.integrationId }]
        })
      })
      expect(await fixture.incidents("rejected")).toEqual(["open"])
    }
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(10_000)
    for (const sqlstate of ["25006", "53100", "57P01", "XX000"]) {
      await raising(ledger(), sqlstate, "new.status = 'unknown'", async () => {
        await expect(fixture.sweep()).rejects.toThrow("refused here")
      })
    }
  })
})
