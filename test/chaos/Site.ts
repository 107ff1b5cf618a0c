import { join } from "node:path"
import { type DenoServer, serveWithDeno } from "../functions/support/DenoServer.ts"
import { pidOf } from "../support/EngineProcess.ts"
import { type FakeClock, makeFakeClock } from "../support/FakeClock.ts"
import { passOn } from "../support/FunctionProxy.ts"
import type { Fault, GatewayCall } from "../support/GatewayFaults.ts"
import { serveHttp } from "../support/HttpServer.ts"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  startPostgres
} from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { mountSmallDisk, type SmallDisk } from "../support/SmallDisk.ts"
import { type EffectLedger, type Gate, startEffectLedger } from "./EffectLedger.ts"
import { type Ambush, ambush, type KillPoint } from "./KillPoint.ts"

/** An invocation that a function received. `at` is in epoch milliseconds on this machine's clock. */
export interface Arrival {
  readonly runId: string
  readonly attempt: number
  readonly leaseToken: string
  readonly at: number
}

/** Features that not every machine supports. */
export interface SiteOptions {
  /** Puts the database on a file system that can be filled. Needs root. */
  readonly disk?: boolean
  /** Makes the clocks of PostgreSQL and the engines settable, with Debian's `faketime`. */
  readonly clocks?: boolean
}

export interface Clocks {
  readonly database: FakeClock
  readonly api: FakeClock
  readonly direct: FakeClock
}

/** A complete project: PostgreSQL, the API in front of it, functions in Deno, and the ledger of their effects. */
export interface Site {
  readonly disk: SmallDisk | undefined
  readonly clocks: Clocks | undefined
  readonly postgres: OwnPostgresServer
  readonly ledger: EffectLedger
  readonly arrivals: ReadonlyArray<Arrival>
  readonly environments: {
    readonly api: Readonly<Record<string, string>>
    readonly direct: Readonly<Record<string, string>>
  }
  /** Runs a query as the owner. Retries for half a minute while the database is down. */
  readonly query: <A>(statement: string, args?: ReadonlyArray<unknown>) => Promise<ReadonlyArray<A>>
  /** Holds every call that reaches a kill point. `stop` releases the held calls. */
  readonly arm: (point: KillPoint) => {
    readonly reached: Promise<number>
    readonly stop: () => void
  }
  readonly restartFunctions: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Short timeouts and delays, so that a killed engine's runs settle within seconds. */
const SETTINGS = {
  SYNC_SCHEDULER_INVOKE_TIMEOUT: "2s",
  SYNC_SCHEDULER_LEASE_MARGIN: "1s",
  SYNC_SCHEDULER_RUNNING_GUARD: "3s",
  SYNC_SCHEDULER_QUIESCENCE: "1s",
  SYNC_SCHEDULER_ADOPT_AFTER: "1s",
  SYNC_SCHEDULER_RETRY_BASE: "50ms",
  SYNC_SCHEDULER_RETRY_CAP: "1s",
  SYNC_SCHEDULER_LOG_LEVEL: "none"
}

/** Starts a site. Fails if this machine does not support a requested option. */
export const startSite = async (options: SiteOptions = {}): Promise<Site> => {
  const clocks = options.clocks === true ? makeClocks() : undefined
  const postgres = await startPostgres({
    fresh: true,
    ...(clocks === undefined ? {} : { variables: clocks.database.variables })
  })
  const database = await createDatabase({ server: postgres })
  const disk = options.disk === true ? mountSmallDisk() : undefined
  if (options.disk === true) {
    if (disk === undefined) throw new Error("the disk option requires root and permission to mount")
    await disk.take(postgres, database.name)
  }
  let sql = connect(database.url)
  const owners = new Map<string, number>()
  const arrivals: Array<Arrival> = []
  const ambushes = new Set<Ambush>()

  const ledger = await startEffectLedger((gate: Gate) =>
    firstOf(ambushes, (one) => one.onGate(gate, owners.get(gate.runId)))
  )
  const program = join(import.meta.dir, "functions.ts")
  let functions: DenoServer | undefined
  const front = await serveHttp(async (request) =>
    passOn(functions?.url, request, new URL(request.url).pathname.slice(1), await request.bytes())
  )
  const gateway = await startGateway({
    databaseUrl: database.url,
    functionsUrl: front.url,
    poolSize: 20
  })
  const startFunctions = async () => {
    await functions?.stop()
    functions = await serveWithDeno(program, {
      LEDGER_URL: ledger.url,
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey
    })
  }
  await startFunctions()

  /** Returns the process id of the engine that made a call. The call names the engine, or a run that the engine has started. */
  const callerOf = ({ fn, args }: GatewayCall): number | undefined => {
    const pid = pidOf(args.p_engine_id)
    if (fn === "start_sync_runs" && Array.isArray(args.p_starts) && pid !== undefined) {
      for (const start of args.p_starts) owners.set(String(start.run_id), pid)
    }
    return pid ?? owners.get(String(args.p_run_id))
  }
  gateway.faults.set("*", (call): Fault | undefined => {
    const pid = callerOf(call)
    return firstOf(ambushes, (one) => one.onCall(call, pid))
  })
  for (const name of ["integration-sync", "plain-sync"]) {
    gateway.faults.set(`functions/${name}`, ({ args }) => {
      arrivals.push({
        runId: String(args.run_id),
        attempt: Number(args.attempt),
        leaseToken: String(args.lease_token),
        at: Date.now()
      })
      return undefined
    })
  }

  const query = async <A>(statement: string, args: ReadonlyArray<unknown> = []) => {
    const deadline = Date.now() + 30_000
    for (;;) {
      try {
        const rows: ReadonlyArray<A> = await sql.unsafe(statement, [...args])
        return rows
      } catch (error) {
        if (Date.now() > deadline || !isDown(error)) throw error
        await sql.close({ timeout: 0 }).catch(() => undefined)
        await Bun.sleep(100)
        sql = connect(database.url)
      }
    }
  }

  const api = {
    SUPABASE_URL: gateway.url,
    SUPABASE_SECRET_KEY: gateway.secretKey,
    SYNC_SCHEDULER_PROBES: "false",
    SYNC_SCHEDULER_FUNCTIONS: "plain-sync",
    ...SETTINGS
  }
  const direct = { ...api, SUPABASE_DB_URL: database.url }
  return {
    disk,
    clocks,
    postgres,
    ledger,
    arrivals,
    environments: {
      api: { ...api, ...clocks?.api.variables },
      direct: { ...direct, ...clocks?.direct.variables }
    },
    query,
    arm: (point) => {
      const one = ambush(point)
      ambushes.add(one)
      const stop = () => {
        ambushes.delete(one)
        one.end()
      }
      return { reached: one.reached, stop }
    },
    restartFunctions: startFunctions,
    close: async () => {
      await functions?.stop()
      await front.close()
      await gateway.close()
      await ledger.close()
      await sql.close({ timeout: 0 })
      await postgres.stop()
      disk?.remove()
      for (const clock of Object.values(clocks ?? {})) clock.remove()
    }
  }
}

const makeClocks = (): Clocks => {
  const [database, api, direct] = [makeFakeClock(), makeFakeClock(), makeFakeClock()]
  if (database === undefined || api === undefined || direct === undefined) {
    throw new Error("the clocks option requires faketime: apt-get install faketime")
  }
  return { database, api, direct }
}

const firstOf = <A, B>(all: Iterable<A>, find: (one: A) => B | undefined): B | undefined => {
  for (const one of all) {
    const found = find(one)
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns whether the error has no SQLSTATE, or the SQLSTATE of a dying, starting, full or read-only server. */
const isDown = (error: unknown): boolean => {
  const { errno } = Object(error)
  return errno === undefined || /^(57P0|08|53|25006)/.test(String(errno))
}
