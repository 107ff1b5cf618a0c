import { expect, test } from "bun:test"
import { join } from "node:path"
import { buildEdge } from "../../scripts/build-edge.ts"
import { divide } from "../../src/Domain/EdgeTimeBudget.ts"
import { delay } from "../support/FunctionBehaviour.ts"
import { startProject } from "../support/Project.ts"
import { root, serveWithDeno } from "./support/DenoServer.ts"

const WALL_CLOCK_MS = 30_000

test("a tick in Deno ends within its wall-clock limit, and later ticks complete the remaining runs", async () => {
  await buildEdge()
  const project = await startProject()
  const edge = await serveWithDeno(join(root, "supabase/functions/sync-scheduler/index.ts"), {
    SUPABASE_URL: project.gateway.url,
    SUPABASE_SECRET_KEY: project.gateway.secretKey,
    SYNC_SCHEDULER_EDGE_WALL_CLOCK: "30s"
  })
  try {
    project.functions.behave(() => delay(4_000))
    await project.seedDue(24)
    const apikey = project.gateway.secretKey
    const { budgetMs } = divide(WALL_CLOCK_MS, 155_000)
    const counts: Array<number> = []
    while ((await project.statuses()).completed !== 24) {
      const startedAt = Date.now()
      const answer = await fetch(edge.url, { method: "POST", headers: { apikey } })
      const summary = await answer.json()
      expect(summary.errors).toEqual([])
      expect(Date.now() - startedAt).toBeLessThan(WALL_CLOCK_MS)
      const lastSent = Math.max(...project.functions.invocations.map((call) => call.startedAt))
      expect(lastSent - startedAt).toBeLessThan(budgetMs + 2_000)
      counts.push(summary.completed)
    }
    console.log(`  ${counts.join(" + ")} runs, a tick each`)
    expect(counts.length).toBeGreaterThan(1)
    expect(project.functions.effects.size).toBe(24)
    expect(Math.max(...project.functions.effects.values())).toBe(1)
  } finally {
    await edge.stop()
    await project.close()
  }
}, 300_000)
