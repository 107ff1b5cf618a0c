import { Redacted } from "effect"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import { engineOver } from "./engine.ts"

export const contender = engineOver((spec) =>
  PostgresLive.layer({ url: Redacted.make(spec.databaseUrl) })
)
