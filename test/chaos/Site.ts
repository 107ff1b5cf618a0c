import { join } from "node:path"
import { type DenoServer, serveWithDeno } from "../functions/support/DenoServer.ts"
import { pidOf } from "../support/EngineProcess.ts"
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
import { type EffectLedger, type Gate, startEffectLedger } from "./EffectLedger.ts"
import { type Ambush, ambush, type KillPoint } from "./KillPoint.ts"

/** An invocation that arrived at a function. `at` is epoch milliseconds of this machine. */
export interface Arrival {
  readonly runId: string
  readonly attempt: number
  readonly leaseToken: string
  readonly at: number
}

/** A whole project that can be broken: a PostgreSQL of its own, the API over it, functions in Deno, and their books. */
export interface Site {
  readonly postgres: OwnPostgresServer
  readonly ledger: EffectLedger
  readonly arrivals: ReadonlyArray<Arrival>
  /** Environments of binaries: over the API, and over a direct connection. */
  readonly environments: {
    readonly api: Readonly<Record<string, string>>
    readonly direct: Readonly<Record<string, string>>
  }
  /** As the owner. Asks again while the database is down, for half a minute. */
  readonly query: <A>(statement: string, args?: ReadonlyArray<unknown>) => Promise<ReadonlyArray<A>>
  /** Waits at a point; `stop` lets go whoever was caught. */
  readonly arm: (point: KillPoint) => {
    readonly reached: Promise<number>
    readonly stop: () => void
  }
  /** Kills the functions' process and starts another. */
  readonly restartFunctions: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Short, so that what a dead engine left is decided within seconds. */
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

export const startSite = async (): Promise<Site> => {
  const postgres = await startPostgres({ fresh: true })
  const database = await createDatabase({ server: postgres })
  let sql = connect(database.url)
  const owners = new Map<string, number>()
  const arrivals: Array<Arrival> = []
  const ambushes = new Set<Ambush>()

  const ledger = await startEffectLedger((gate: Gate) =>
    firstOf(ambushes, (one) => one.onGate(gate, owners.get(gate.runId)))
  )
  const program = join(import.meta.dir, "functions.ts")
  let functions: DenoServer | undefined
  // Where functions answer stays, whichever process they are served by.
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

  /** The process behind a call: it names itself, or the run is one that it started. */
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
    ...SETTINGS
  }
  return {
    postgres,
    ledger,
    arrivals,
    environments: { api, direct: { ...api, SUPABASE_DB_URL: database.url } },
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
    }
  }
}

const firstOf = <A, B>(all: Iterable<A>, find: (one: A) => B | undefined): B | undefined => {
  for (const one of all) {
    const found = find(one)
    if (found !== undefined) return found
  }
  return undefined
}

/** No SQLSTATE, or one that only a dying or starting server gives. */
const isDown = (error: unknown): boolean => {
  const { errno } = Object(error)
  return errno === undefined || /^(57P0|08|53)/.test(String(errno))
}
