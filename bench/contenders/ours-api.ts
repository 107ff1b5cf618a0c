import { Redacted } from "effect"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { engineOver } from "./engine.ts"

/** Sync Scheduler with SUPABASE_URL, over supabase-js. */
export const contender = engineOver((spec) =>
  SupabaseLive.layer({ url: spec.gatewayUrl, key: Redacted.make(spec.secretKey), version: "bench" })
)
