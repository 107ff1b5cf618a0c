import { FIXTURE_NOW, seedFixture } from "../support/OperatorFixture.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"

export const ADMIN_TOKEN = "a-token-of-the-tests-4f1c9a07e2"

/** A project with the operator fixture, and a `serve` process that has stopped ticking. */
export interface ServeFixture {
  readonly project: Project
  readonly sidecar: Sidecar
  readonly close: () => Promise<void>
}

/** Seeds the fixture after the first tick. The next tick is a day away, so only the test changes anything. */
export const startServeFixture = async (): Promise<ServeFixture> => {
  const project = await startProject()
  const sidecar = await startSidecar(
    {
      ...project.environment,
      SUPABASE_DB_URL: project.database.url,
      SYNC_SCHEDULER_INTERVAL: "24h",
      SYNC_SCHEDULER_ADMIN_TOKEN: ADMIN_TOKEN
    },
    ["--allow-actions"]
  )
  for (let hasTicked = false; !hasTicked; await Bun.sleep(20)) {
    hasTicked = (await sidecar.get("/readyz?verbose")).body.includes("ticks: the last tick ended")
  }
  await seedFixture(project.sql)
  await project.sql`delete from sync_tick where started_at > ${new Date(FIXTURE_NOW)}`
  return {
    project,
    sidecar,
    close: async () => {
      sidecar.kill("SIGTERM")
      await sidecar.exited
      await project.close()
    }
  }
}
