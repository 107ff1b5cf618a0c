import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { callAfterSilence, type Silenced } from "../support/callAfterSilence.ts"
import { type HttpServer, serveHttp } from "../support/HttpServer.ts"
import { createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"
import { startProxy, type TcpProxy } from "../support/TcpProxy.ts"

let database: TestDatabase
let gateway: RpcGateway
let proxy: TcpProxy
let control: HttpServer
beforeAll(async () => {
  const sql =
    "create function whoami() returns text language sql volatile as 'select current_user::text'"
  database = await createDatabase({ migrations: false, sql })
  gateway = await startGateway({ databaseUrl: database.url })
  proxy = await startProxy(Number(new URL(gateway.url).port))
  control = await serveHttp(() => {
    proxy.freezeExisting()
    return new Response("silent")
  })
}, 60_000)
afterAll(async () => {
  await control.close()
  proxy.stop()
  await gateway.close()
  await database.drop()
})

const inDeno = async (project: Silenced): Promise<ReadonlyArray<string>> => {
  const root = join(import.meta.dir, "../..")
  const flags = ["--no-remote", "--no-prompt", "--no-check", "--node-modules-dir=manual"]
  const child = Bun.spawn(
    [
      join(root, "node_modules/.bin/deno"),
      ...["run", ...flags, "--allow-net", "--allow-env"],
      join(root, "test/support/callAfterSilence.ts")
    ],
    { cwd: root, stdin: new Blob([JSON.stringify(project)]), stderr: "pipe" }
  )
  const out = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text())
  return JSON.parse(out)
}

test.each([
  ["Bun", callAfterSilence],
  ["Deno", inDeno]
] as const)(
  "in %s only one call fails on silently dropped connections",
  async (_, run) => {
    const ended = await run({
      url: `http://127.0.0.1:${proxy.port}`,
      key: gateway.secretKey,
      silenceUrl: control.url,
      timeoutMs: 1_000
    })
    expect(ended).toEqual(["timeout", "ok", "ok", "ok"])
  },
  30_000
)
