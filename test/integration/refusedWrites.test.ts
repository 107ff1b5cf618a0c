import { beforeAll, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { startFunctionServer } from "../support/FunctionServer.ts"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  startPostgres
} from "../support/Postgres.ts"
import { setReadOnly } from "../support/ReadOnly.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { mountSmallDisk, type SmallDisk } from "../support/SmallDisk.ts"

beforeAll(binaryPath, 120_000)

const IN_FLIGHT = 5
const REFUSED_MS = 3_000

interface Scenario {
  readonly over: "the API" | "a direct connection"
  readonly due: number
  readonly server: OwnPostgresServer
  /** A disk for the database's files. By default, the files are in the server's data directory. */
  readonly disk?: SmallDisk
  readonly refuse: (isRefusing: boolean) => Promise<void> | void
}

/** The database refuses to record outcomes for three seconds. Returns how many invocations were sent in the meantime. */
const playRefusal = async ({ disk, due, over, refuse, server }: Scenario): Promise<number> => {
  const database = await createDatabase({ server })
  await disk?.take(server, database.name)
  const mayAnswer = Promise.withResolvers<void>()
  const functions = await startFunctionServer({ behave: () => until(mayAnswer.promise, ok()) })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const sql = connect(database.adminUrl, { max: 1 })
  try {
    await sql.unsafe(`insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
      select gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute' from generate_series(1, ${due})`)
    const engine = await startEngine({
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      SYNC_SCHEDULER_PROBES: "false",
      ...(over === "the API" ? {} : { SUPABASE_DB_URL: database.url })
    })
    await functions.arrived(IN_FLIGHT)
    await refuse(true)
    mayAnswer.resolve()
    await Bun.sleep(REFUSED_MS)
    const sent = functions.invocations.length
    await refuse(false)
    const exit = await engine.exited
    expect(exit).toMatchObject({ code: 0, summary: { ok: true, completed: due, errors: [] } })
    expect(functions.invocations).toHaveLength(due)
    expect(functions.effects.size).toBe(due)
    return sent
  } finally {
    await sql.close()
    await gateway.close()
    await functions.close()
  }
}

test("if the database is read-only for 3 s while functions respond, every outcome is recorded and nothing is sent twice", async () => {
  const server = await startPostgres({ fresh: true })
  try {
    const sent = await playRefusal({
      over: "a direct connection",
      due: 12,
      server,
      refuse: (isRefusing) => setReadOnly(server, isRefusing)
    })
    // The engine can still send runs that it has already started.
    expect(sent).toBeLessThanOrEqual(2 * IN_FLIGHT)
  } finally {
    await server.stop()
  }
}, 60_000)

test.each(["the API", "a direct connection"] as const)(
  "if the disk is full for 3 s while functions respond, over %s, every outcome is recorded and nothing is sent twice",
  async (over) => {
    const disk = mountSmallDisk()
    // Only root can mount the small disk.
    if (disk === undefined) return
    const server = await startPostgres({ fresh: true })
    try {
      const refuse = (isRefusing: boolean) => (isRefusing ? disk.fill() : disk.free())
      await playRefusal({ over, due: 60, server, disk, refuse })
      const log = readFileSync(join(dirname(server.dataDirectory), "server.log"), "utf8")
      expect(log).toContain("No space left on device")
    } finally {
      await server.stop()
      disk.remove()
    }
  },
  60_000
)
