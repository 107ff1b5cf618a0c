import { afterAll, beforeAll, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type Project, startProject } from "../support/Project.ts"
import { startSidecar } from "../support/Sidecar.ts"
import { startProxy, type TcpProxy } from "../support/TcpProxy.ts"

let project: Project
let proxy: TcpProxy
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  proxy = await startProxy(Number(new URL(project.gateway.url).port))
}, 120_000)
afterAll(async () => {
  proxy.stop()
  await project.close()
})

const untilCompleted = async (count: number) => {
  while ((await project.statuses()).completed !== count) await Bun.sleep(100)
}

test("when a NAT silently drops several connections, serve loses one call, not one per connection", async () => {
  await project.seedDue(30)
  const sidecar = await startSidecar({
    ...project.environment,
    SUPABASE_URL: `http://127.0.0.1:${proxy.port}`,
    SYNC_SCHEDULER_FUNCTION_URL: `${project.functions.url}/integration-sync`,
    SYNC_SCHEDULER_INTERVAL: "5s"
  })
  await untilCompleted(30)
  proxy.freezeExisting()
  const silentSince = Date.now()
  await project.seedDue(5)
  await untilCompleted(35)
  // One call waits for its 30 s deadline. The margin allows for heartbeats.
  expect(Date.now() - silentSince).toBeLessThan(45_000)
  const [late] = await project.sql`
    select count(*)::int as n from sync_run_log where attempt > 1 or status <> 'completed'`
  expect(late.n).toBe(0)
  sidecar.kill("SIGTERM")
  expect((await sidecar.exited).code).toBe(0)
}, 150_000)
