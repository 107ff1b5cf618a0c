import { Clock, Effect, Either, Schema } from "effect"
import catalogJson from "../../../supabase/catalog.json" with { type: "json" }
import { type Diagnosis, readCatalog, readDiagnosis } from "../../Database/DiagnosisRpc.ts"
import { migrations } from "../../Database/Migrations.ts"
import { retryFor } from "../../Database/RetryPolicy.ts"
import { ExpectedItem, namesOf, type SchemaCatalog } from "../../Database/SchemaCatalog.ts"
import { readSchema } from "../../Database/SchemaVersion.ts"
import { type ClockSkew, measureSkew } from "../../Domain/ClockSkew.ts"
import * as Duration from "../../Domain/Duration.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { tickError } from "../../Engine/SummaryBuilder.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { SCHEMA_VERSION } from "../../Version.ts"
import { type CheckResult, error, ok } from "./CheckResult.ts"
import { writeFindings } from "./DataApi.ts"

/** The objects that the migrations create, as this binary expects them. */
export const expectedItems = Schema.decodeUnknownSync(Schema.Array(ExpectedItem))(catalogJson)

/** `diagnosis` is null if the database has no doctor function or did not respond. */
export interface Examined {
  readonly findings: ReadonlyArray<CheckResult>
  readonly diagnosis: Diagnosis | null
  readonly catalog: SchemaCatalog | null
  /** The newest applied migration; null if none is applied, undefined if unknown. */
  readonly version: string | null | undefined
  /** The oldest engine version that a newer schema supports. Null if the schema is not newer. See Database/SchemaVersion. */
  readonly enginesFrom: string | null
  readonly skew: ClockSkew | null
  /** Whether the Data API lacks a function that the database's version includes. */
  readonly isStale: boolean
}

/** The maximum time to retry, in ms. PostgREST responds with PGRST002 for one or two seconds after it loses its connections. */
const ASK_WITHIN_MS = 3000

export interface ExaminedDatabase {
  /** The database's display name. */
  readonly place: string
  /** Whether the Data API is used. Before the installation, the Data API gives no access to the catalog. */
  readonly isApi: boolean
}

/** Reads the database's version and objects. Never fails: an error becomes a finding. */
export const examine = ({
  isApi,
  place
}: ExaminedDatabase): Effect.Effect<Examined, never, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const names = { p_names: namesOf(expectedItems) }
    // Retries would distort the clock skew, so only the successful call is measured.
    const ask = Effect.gen(function* () {
      const askedAt = yield* Clock.currentTimeMillis
      const diagnosis = yield* supabase.call(readDiagnosis, names)
      return { diagnosis, askedAt, answeredAt: yield* Clock.currentTimeMillis }
    })
    const answer = yield* ask.pipe(retryFor(ASK_WITHIN_MS), Effect.either)
    if (Either.isRight(answer)) {
      const { answeredAt, askedAt, diagnosis } = answer.right
      const took = Duration.format(answeredAt - askedAt)
      return {
        findings: [
          ok("database", `${place} responds in ${took}, PostgreSQL ${diagnosis.server_version}`),
          ...writeFindings(diagnosis, isApi)
        ],
        diagnosis,
        catalog: diagnosis.catalog,
        version: diagnosis.catalog.schema_version,
        enginesFrom: yield* readEnginesFrom(diagnosis.catalog.schema_version),
        skew: measureSkew(askedAt, answeredAt, diagnosis.now),
        isStale: false
      }
    }
    const nothing = {
      ...{ diagnosis: null, catalog: null, skew: null },
      ...{ version: undefined, enginesFrom: null, isStale: false }
    }
    const failure = answer.left
    if (!isOld(failure)) return { ...nothing, findings: [failureOf(failure)] }
    const reached = ok("database", `${place} responds`)
    if (!isApi) {
      const asked = yield* Effect.either(supabase.call(readCatalog(CATALOG), names))
      if (Either.isLeft(asked)) return { ...nothing, findings: [failureOf(asked.left)] }
      const catalog = asked.right
      return { ...nothing, findings: [reached], catalog, version: catalog.schema_version }
    }
    // The first migration already contains the function that returns the version.
    const response = yield* Effect.either(supabase.call(readSchema, {}))
    if (Either.isLeft(response) && !isOld(response.left)) {
      return { ...nothing, findings: [failureOf(response.left)] }
    }
    const version = Either.isRight(response) ? response.right.schema_version : null
    const isStale = failure.code === "PGRST202" && version !== null && version >= DOCTOR_SINCE
    return { ...nothing, findings: [reached], version, isStale }
  })

/**
 * Returns the oldest engine version that a newer schema supports. Returns null if the schema is not newer or declares no such
 * version.
 */
const readEnginesFrom = (version: string | null): Effect.Effect<string | null, never, Supabase> =>
  version === null || version <= SCHEMA_VERSION
    ? Effect.succeed(null)
    : Effect.flatMap(Supabase, (supabase) => supabase.call(readSchema, {})).pipe(
        Effect.map((answer) => answer.engines_from),
        Effect.orElseSucceed(() => null)
      )

/** Whether the error means that only a function is missing, not the whole database or the exposed schema. */
const isOld = ({ code, reason }: SupabaseError): boolean =>
  reason === "Missing" && code !== "3D000" && code !== "PGRST106"

/** Returns a finding with the message and code that a tick would report. */
const failureOf = (failure: SupabaseError): CheckResult => {
  const { code, hint, message } = tickError(failure)
  return error("database", {
    code,
    what: message,
    why: "nothing can be read or run",
    fix: hint
  })
}

/** The migration that contains the doctor's function. */
const DOCTOR_SINCE =
  expectedItems.find(({ name }) => name.startsWith(`public.${readDiagnosis.name}(`))?.since ?? ""

/** The body of the catalog function, taken from its migration. */
const CATALOG =
  migrations.map(({ sql }) => sql.split("$catalog$")[1] ?? "").find((body) => body !== "") ?? ""
