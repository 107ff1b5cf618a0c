import { withSyncRun } from "../_shared/syncRun.ts"
import { exportPeriod } from "./exportPeriod.ts"

Deno.serve(withSyncRun(exportPeriod))
