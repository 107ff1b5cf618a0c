import { Effect, Either } from "effect"
import { askFence, type Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { commandCodes } from "../../Domain/ErrorCode.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { type CheckResult, error, warning } from "./CheckResult.ts"

const { DATABASE_READ_ONLY, SCHEMA_CACHE_STALE } = commandCodes

export const staleCache = error("schema", {
  code: "SCHEMA_CACHE_STALE",
  what: "the Data API does not know all of the database's functions",
  why: "it has not reloaded the schema since the migrations were applied, so calls to these functions fail",
  fix: SCHEMA_CACHE_STALE.fix
})

const NO_RUN = "00000000-0000-4000-8000-000000000000"

/** Checks whether the Data API knows the functions through which integrations report. Ignores all other failures. */
export const reportingFindings: Effect.Effect<
  ReadonlyArray<CheckResult>,
  never,
  Supabase
> = Effect.gen(function* () {
  const supabase = yield* Supabase
  const asked = yield* Effect.either(
    supabase.call(askFence, { p_run_id: NO_RUN, p_lease_token: NO_RUN })
  )
  if (Either.isRight(asked) || asked.left.code !== "PGRST202") return []
  return [
    warning("schema", {
      code: "SCHEMA_CACHE_STALE",
      what: "the Data API does not know the functions through which integrations report",
      why: "it has not reloaded the schema since the migrations were applied; fenced functions do no work",
      fix: SCHEMA_CACHE_STALE.fix
    })
  ]
})

/**
 * Checks whether runs can be recorded. Supabase makes a database read-only by default when its disk is nearly full. The Data API
 * can then still write, because it declares its transactions read-write.
 */
export const writeFindings = (
  { in_recovery, read_only }: Diagnosis,
  isApi: boolean
): ReadonlyArray<CheckResult> => {
  if (in_recovery || (read_only && !isApi)) {
    return [
      error("database", {
        code: "DATABASE_READ_ONLY",
        what: in_recovery ? "the database is a replica" : "the database is read-only",
        why: "no run can be recorded, so none is started",
        fix: DATABASE_READ_ONLY.fix
      })
    ]
  }
  if (!read_only) return []
  return [
    warning("database", {
      code: "DATABASE_READ_ONLY",
      what: "the database is read-only by default: its disk may be full",
      why: "runs are still recorded over the Data API until the disk is full; direct connections cannot write",
      fix: DATABASE_READ_ONLY.fix
    })
  ]
}
