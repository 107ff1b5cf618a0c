import { expect } from "bun:test"
import { type EngineExit, startEngine } from "./EngineProcess.ts"
import { ok, until } from "./FunctionBehaviour.ts"
import { startFunctionServer } from "./FunctionServer.ts"
import { connect, createDatabase, startPostgres } from "./Postgres.ts"
import { startGateway } from "./RpcGateway.ts"

export interface Outage {
  readonly tick: EngineExit
  readonly next: EngineExit
}

/** Makes PostgreSQL unavailable for `awayMs`. Asserts that every run was invoked once and completed once. */
export const playOutage = async (options: {
  readonly when: "before" | "during"
  readonly awayMs: number
  readonly due: number
}): Promise<Outage> => {
  const { awayMs, due, when } = options
  const server = await startPostgres({ fresh: true })
  const database = await createDatabase({ server })
  const mayAnswer = Promise.withResolvers<void>()
  const functions = await startFunctionServer({
    behave: () => (when === "during" ? until(mayAnswer.promise, ok()) : ok())
  })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const query = async (statement: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
    const sql = connect(database.adminUrl, { max: 1 })
    const rows: ReadonlyArray<Record<string, unknown>> = await sql.unsafe(statement)
    await sql.close()
    return rows
  }
  const start = () =>
    startEngine({
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      SYNC_SCHEDULER_PROBES: "false",
      SYNC_SCHEDULER_ADOPT_AFTER: "0s",
      SYNC_SCHEDULER_QUIESCENCE: "0s"
    })
  const statuses = async () =>
    Object.fromEntries(
      (
        await query("select status, count(*)::int as n from sync_run_log group by 1 order by 1")
      ).map(({ n, status }) => [status, n])
    )
  try {
    await query(`insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
      select gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute' from generate_series(1, ${due})`)
    if (when === "before") await server.kill()
    const engine = await start()
    if (when === "during") {
      await functions.arrived(Math.min(due, 5))
      await server.kill()
      mayAnswer.resolve()
    }
    while (gateway.faults.calls("open_sync_tick") === 0) await Bun.sleep(10)
    await Bun.sleep(awayMs)
    await server.restart()
    const tick = await engine.exited
    const next = await (await start()).exited
    // An engine does not send a run if the start was committed but not confirmed. The retry waits for the end of the lease,
    // so the test ends the lease early.
    for (let ticks = 0; ticks < 3 && (await statuses()).completed !== due; ticks++) {
      await query("update sync_run_log set lease_until = now() where status = 'running'")
      await (await start()).exited
    }
    expect(await statuses()).toEqual({ completed: due })
    expect(functions.effects.size).toBe(due)
    expect(functions.invocations.length).toBe(due)
    return { tick, next }
  } finally {
    await gateway.close()
    await functions.close()
    await server.stop()
  }
}
