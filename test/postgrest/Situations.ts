import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { SQL } from "bun"
import { died } from "../support/GatewayFaults.ts"
import { startPostgres } from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { startProxy } from "../support/TcpProxy.ts"
import { ask } from "./Asking.ts"
import { read } from "./Recorded.ts"
import { onOwnServer, onStage, type Seen, type Stage, untilSchemaRead } from "./Stage.ts"

export interface Scenario {
  readonly names: ReadonlyArray<string>
  readonly play: () => Promise<Seen>
}

const must = (fact: boolean, what: string) => {
  if (!fact) throw new Error(what)
}
const scenario = (names: ReadonlyArray<string>, play: () => Promise<Seen>): Scenario => ({
  names,
  play
})

const sleepers = (admin: SQL) => admin`
  select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`

/** Terminates PostgREST's pooled connections, but not the connection that listens for notifications. */
const terminatePool = (admin: SQL) => admin`
  select pg_terminate_backend(pid) from pg_stat_activity
   where datname = current_database() and application_name = 'PostgREST 14.9'`

const stale = (stage: Stage): Promise<Seen> =>
  (async ({ admin, ask: call }) => {
    await call("t_x", { a: 1 })
    await admin
      .unsafe("drop event trigger pgrst_ddl_watch; drop event trigger pgrst_drop_watch")
      .simple()
    await admin
      .unsafe(`drop function t_x(int); drop function t_y(int);
      create function t_y(a int, b int) returns int language sql as 'select a';
      create function t_z(a int) returns int language sql as 'select a'`)
      .simple()
    const before = {
      "stale-dropped": await call("t_x", { a: 1 }),
      "stale-changed-oldargs": await call("t_y", { a: 1 }),
      "stale-changed-newargs": await call("t_y", { a: 1, b: 2 }),
      "stale-new-function": await call("t_z", { a: 1 }),
      "stale-dropped-again": await call("t_x", { a: 1 })
    }
    await admin`notify pgrst, 'reload schema'`
    const created = await call("t_z", { a: 1 })
    return { ...before, "reloaded-new": created, "reloaded-dropped": await call("t_x", { a: 1 }) }
  })(stage)

export const scenarios: ReadonlyArray<Scenario> = [
  scenario(
    [
      "stale-dropped",
      "stale-changed-oldargs",
      "stale-changed-newargs",
      "stale-new-function",
      "stale-dropped-again",
      "reloaded-new",
      "reloaded-dropped"
    ],
    () => onStage(stale)
  ),
  scenario(["timeout-8s", "own-timeout-20s"], () =>
    onStage(async ({ ask: call }) => {
      const [cut, own] = await Promise.all([
        call("t_sleep", { s: 9 }),
        call("t_sleep_own", { s: 9 })
      ])
      return { "timeout-8s": cut, "own-timeout-20s": own }
    })
  ),
  scenario(["lock-timeout"], () =>
    onStage(async ({ admin, ask: call }) => {
      const blocker = await admin.reserve()
      await blocker`begin`
      await blocker`lock table t_w`
      const startedAt = Date.now()
      const answer = await call("t_write_own", { i: 1 })
      must(Date.now() - startedAt > 7_500, "the role's lock_timeout of 8 s did not hold")
      await blocker`rollback`
      blocker.release()
      return { "lock-timeout": answer }
    })
  ),
  scenario(["database-not-reached"], async () => {
    const { port } = new URL((await startPostgres()).adminUrl)
    const proxy = await startProxy(Number(port))
    return onStage(
      async ({ ask: call }) => {
        proxy.refuse()
        const { body = "", ...answer } = await call("t_text")
        proxy.stop()
        return {
          "database-not-reached": { ...answer, body: body.replace(/port \d+/, "port 5432") }
        }
      },
      { port: proxy.port }
    )
  }),
  scenario(["server-process-died"], () =>
    onStage(async ({ ask: call, gateway }) => {
      gateway.faults.once("t_text", died)
      return { "server-process-died": await call("t_text") }
    })
  ),
  scenario(["t_kill"], () =>
    onStage(async ({ ask: call }) => {
      const killed = await call("t_kill")
      must((await call("t_text")).status === 200, "one lost connection is no outage")
      return { t_kill: killed }
    })
  ),
  scenario(["terminated-in-flight", "after-idle-terminated", "after-that"], () =>
    onStage(async ({ admin, ask: call, written }) => {
      const slow = call("t_slow_write", { s: 5, i: 778 })
      while ((await sleepers(admin)).length === 0) await Bun.sleep(5)
      await terminatePool(admin)
      const inFlight = await slow
      must((await written(778)) === 0, "a terminated call was rolled back")
      await call("t_text")
      await terminatePool(admin)
      await Bun.sleep(100)
      const next = await call("t_text")
      return {
        "terminated-in-flight": inFlight,
        "after-idle-terminated": next,
        "after-that": await call("t_text")
      }
    })
  ),
  scenario(["client-gone"], () =>
    onStage(async ({ gateway, written }) => {
      const gone = new AbortController()
      const answer = await read(
        Promise.race([
          ask(gateway, { path: "/rpc/t_slow_write", body: '{"s":1,"i":777}' }),
          Bun.sleep(300).then(() => Promise.reject(gone.abort()))
        ]),
        {}
      )
      for (let tries = 0; tries < 100 && (await written(777)) === 0; tries++) await Bun.sleep(50)
      must((await written(777)) === 1, "what a client left was committed all the same")
      return { "client-gone": answer }
    })
  ),
  scenario(["pool-exhausted"], () =>
    onStage(
      async ({ ask: call }) => {
        const slow = call("t_sleep", { s: 2 })
        await Bun.sleep(300)
        const answer = await call("t_text")
        await slow
        return { "pool-exhausted": answer }
      },
      { gateway: { poolSize: 1, poolTimeoutMs: 200 } }
    )
  ),
  scenario(["sigterm-in-flight"], () =>
    onStage(async ({ ask: call, gateway, written }) => {
      const slow = call("t_slow_write", { s: 1, i: 880 })
      await Bun.sleep(300)
      await gateway.close()
      const answer = await slow
      await Bun.sleep(1_000)
      must((await written(880)) === 0, "what was cut off was rolled back")
      return { "sigterm-in-flight": answer }
    })
  ),
  scenario(["sqlstate-40001-raised"], () =>
    onStage(async ({ gateway }) => {
      const request = ask(gateway, { path: "/rpc/t_serial", body: "{}" })
      const answer = await read(
        Promise.race([request, Bun.sleep(1_000).then(() => Promise.reject(new Error("waits")))]),
        {}
      )
      request.catch(() => undefined)
      return { "sqlstate-40001-raised": answer }
    })
  ),
  scenario(["default-read-only"], () =>
    onStage(async ({ admin, ask: call, name }) => {
      await admin.unsafe(`alter database "${name}" set default_transaction_read_only = on`)
      return { "default-read-only": await call("t_write", { i: 3 }) }
    })
  ),
  scenario(["standby-volatile", "standby-stable"], () =>
    onOwnServer(async (stage, server) => {
      const { ask: call } = stage
      await server.kill("SIGINT")
      writeFileSync(join(server.dataDirectory, "standby.signal"), "")
      await server.restart()
      await untilSchemaRead(stage)
      return {
        "standby-volatile": await call("t_write", { i: 1 }),
        "standby-stable": await call("t_guc_stable")
      }
    })
  ),
  scenario(["postgres-crash-in-flight", "after-crash", "recovering", "db-down-from-start"], () =>
    onOwnServer(async (stage, server) => {
      const { ask: call, gateway } = stage
      const slow = call("t_slow_write", { s: 4, i: 990 })
      await Bun.sleep(300)
      await server.kill("SIGQUIT")
      const inFlight = await slow
      const after = await call("t_text")
      await Bun.sleep(2_000)
      const late = await startGateway({ databaseUrl: `postgres://x@127.0.0.1:${server.port}/x` })
      const down = await read(ask(late, { path: "/rpc/t_text", body: "{}" }), {})
      await late.close()
      await server.restart()
      // The database is available again, but PostgREST has not noticed yet.
      const recovering = await call("t_text")
      await untilSchemaRead(stage)
      must(gateway.faults.calls("t_text") > 3, "PGRST002 continued after the database was back")
      return {
        "postgres-crash-in-flight": inFlight,
        "after-crash": after,
        recovering,
        "db-down-from-start": down
      }
    })
  )
]
