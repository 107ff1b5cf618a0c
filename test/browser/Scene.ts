import { SCENE_NOW, seedScene } from "../support/OperatorScene.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"

export const ADMIN_TOKEN = "a-token-of-the-tests-4f1c9a07e2"

/** A project with the scene of a morning in it, and `serve` beside it, which shows it and does not tick any more. */
export interface Scene {
  readonly project: Project
  readonly sidecar: Sidecar
  readonly close: () => Promise<void>
}

/**
 * Starts `serve` on an empty project, waits for the tick at its start, and then sets the scene: the next tick is a day away,
 * so that nothing changes but by what a test does.
 */
export const startScene = async (): Promise<Scene> => {
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
    hasTicked = (await sidecar.get("/readyz?verbose")).body.includes("ticks: the last one ended")
  }
  await seedScene(project.sql)
  // Of today, and so in the scene's future.
  await project.sql`delete from sync_tick where started_at > ${new Date(SCENE_NOW)}`
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
