import { Redacted } from "effect"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { engineOver } from "./engine.ts"

export const contender = engineOver((spec) =>
  SupabaseLive.layer({ url: spec.gatewayUrl, key: Redacted.make(spec.secretKey), version: "bench" })
)
