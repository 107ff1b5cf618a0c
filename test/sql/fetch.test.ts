import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { at, onEachServer, org, type Row } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

onEachServer("a fetch", (ledger) => {
  const fetch = async (
    token: string,
    { engine = "e1", limit = 100, ids = [] as const }: Options = {}
  ) => {
    const answer = await ledger().call("fetch_sync_work", {
      p_engine_id: engine,
      p_fetch_token: token,
      p_limit: limit,
      p_options: ids.length === 0 ? {} : { integration_ids: ids }
    })
    return {
      due: list(answer.integrations)
        .map((row) => String(row.integration_id))
        .toSorted(),
      pending: list(answer.pending)
    }
  }
  interface Options {
    readonly engine?: string
    readonly limit?: number
    readonly ids?: ReadonlyArray<string>
  }
  const seed = async (count: number, columns: Readonly<Record<string, string>> = {}) => {
    await ledger().reset()
    const ids = await Promise.all(
      Array.from({ length: count }, () => ledger().integration(columns))
    )
    return ids.toSorted()
  }
  const pendingRun = async (columns: Row = {}) => {
    await ledger().reset()
    const id = await ledger().integration({ next_run_at: `'${at(3600)}'` })
    const row: Row = {
      id: randomUUID(),
      ...{ integration_id: id, org_id: org, integration_type: "xledger", scheduled_for: at(-60) },
      ...{ idempotency_key: `${id}:x`, status: "pending", trigger: "manual", ...columns }
    }
    const values = Object.values(row).map((value) => (value === null ? "null" : `'${value}'`))
    await ledger().execute(
      `insert into public.sync_run_log (${Object.keys(row)}) values (${values})`
    )
    return String(row.id)
  }

  test("reserves its result for 15 s, and returns the same result when repeated", async () => {
    const ids = await seed(3)
    const token = randomUUID()
    expect((await fetch(token)).due).toEqual(ids)
    for (const engine of ["e1", "e2"])
      expect((await fetch(randomUUID(), { engine })).due).toEqual([])
    expect((await fetch(token)).due).toEqual(ids)
    // A repeated fetch renews the reservation.
    await ledger().after(14)
    expect((await fetch(token)).due).toEqual(ids)
    await ledger().after(14)
    expect((await fetch(randomUUID(), { engine: "e2" })).due).toEqual([])
    await ledger().after(2)
    expect((await fetch(randomUUID(), { engine: "e2" })).due).toEqual(ids)
    expect((await fetch(token)).due).toEqual([])
  })

  test("with the tick's id as its token is the first of a tick", async () => {
    const ids = await seed(2)
    const tick = { p_tick_id: randomUUID(), p_engine_id: "e1", p_options: { limit: 100 } }
    for (let repeat = 0; repeat < 2; repeat += 1) {
      const { idle, integrations } = await ledger().call("open_sync_tick", tick)
      expect(idle).toBe(false)
      expect(
        list(integrations)
          .map(({ integration_id }) => integration_id)
          .toSorted()
      ).toEqual(ids)
    }
    const again = await ledger().call("open_sync_tick", { ...tick, p_tick_id: randomUUID() })
    expect(list(again.integrations)).toEqual([])
  })

  test("of named integrations returns them only to the engine that reserved them", async () => {
    const ids = await seed(2)
    await fetch(randomUUID())
    expect((await fetch(randomUUID(), { ids })).due).toEqual(ids)
    expect((await fetch(randomUUID(), { ids, engine: "e2" })).due).toEqual([])
  })

  test("of pending runs returns the same runs when repeated, with their previous claimer", async () => {
    for (const claimed_by of [null, "e0"]) {
      const id = await pendingRun({ claimed_by, created_at: at(-60) })
      const token = randomUUID()
      expect((await fetch(token)).pending).toMatchObject([{ run_id: id, claimed_by }])
      expect((await fetch(randomUUID())).pending).toEqual([])
      expect((await fetch(randomUUID(), { engine: "e2" })).pending).toEqual([])
      // The run no longer has a claimer, but only the repeated fetch returns it.
      expect((await fetch(token)).pending).toMatchObject([{ run_id: id, claimed_by: null }])
      await ledger().after(11)
      expect((await fetch(randomUUID(), { engine: "e2" })).pending).toMatchObject([
        { run_id: id, claimed_by: "e1" }
      ])
      expect((await fetch(token)).pending).toEqual([])
    }
  })
})
