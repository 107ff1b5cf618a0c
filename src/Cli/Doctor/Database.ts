import { Clock, Effect, Either, Schema } from "effect"
import catalogJson from "../../../supabase/catalog.json" with { type: "json" }
import { type Catalog, ExpectedItem, namesOf } from "../../Domain/Catalog.ts"
import { type Diagnosis, probe, readCatalog, readDiagnosis } from "../../Domain/DiagnosisRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { readDue } from "../../Domain/Rpc.ts"
import { readSchema } from "../../Domain/SchemaVersion.ts"
import { tickError } from "../../Domain/Tally.ts"
import { migrations } from "../../Migrations.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { SCHEMA_VERSION } from "../../Version.ts"
import { error, type Finding, fine } from "./Finding.ts"

/** What the migrations make, as this binary knows it. */
export const expectedItems = Schema.decodeUnknownSync(Schema.Array(ExpectedItem))(catalogJson)

/** What could be learnt of a database. `diagnosis` null: it has no doctor's function, or did not answer at all. */
export interface Examined {
  readonly findings: ReadonlyArray<Finding>
  readonly diagnosis: Diagnosis | null
  readonly catalog: Catalog | null
  /** The newest migration that is there; null when none is, undefined when it could not be learnt. */
  readonly version: string | null | undefined
  /** What a newer schema says of the engines it works with, see Domain/SchemaVersion; null otherwise. */
  readonly enginesFrom: string | null
  /** How far this machine's clock is ahead of the database's, and how sure that is, in milliseconds. */
  readonly skew: { readonly ms: number; readonly plusMinusMs: number } | null
}

/** A database to ask: `place` names it for people; the Data API shows no catalog where ours is not installed. */
export interface Patient {
  readonly place: string
  readonly isApi: boolean
}

/** Asks the database what it is and has. Never fails: what went wrong is a finding. */
export const examine = ({ isApi, place }: Patient): Effect.Effect<Examined, never, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const names = { p_names: namesOf(expectedItems) }
    const askedAt = yield* Clock.currentTimeMillis
    const answer = yield* Effect.either(supabase.call(readDiagnosis, names))
    const answeredAt = yield* Clock.currentTimeMillis
    if (Either.isRight(answer)) {
      const diagnosis = answer.right
      const halfMs = (answeredAt - askedAt) / 2
      const took = Duration.format(answeredAt - askedAt)
      return {
        findings: [
          fine("database", `${place} answers in ${took}, PostgreSQL ${diagnosis.server_version}`),
          ...(diagnosis.read_only ? [readOnly] : [])
        ],
        diagnosis,
        catalog: diagnosis.catalog,
        version: diagnosis.catalog.schema_version,
        enginesFrom: yield* readEnginesFrom(diagnosis.catalog.schema_version),
        skew: { ms: Math.round(askedAt + halfMs - diagnosis.now), plusMinusMs: halfMs }
      }
    }
    const nothing = {
      ...{ diagnosis: null, catalog: null, skew: null },
      ...{ version: undefined, enginesFrom: null }
    }
    const failure = answer.left
    if (!isOld(failure)) return { ...nothing, findings: [failureOf(failure)] }
    const reached = fine("database", `${place} answers`)
    if (!isApi) {
      const asked = yield* Effect.either(supabase.call(readCatalog(CATALOG), names))
      if (Either.isLeft(asked)) return { ...nothing, findings: [failureOf(asked.left)] }
      const catalog = asked.right
      return { ...nothing, findings: [reached], catalog, version: catalog.schema_version }
    }
    const version = yield* probeVersion
    return { ...nothing, findings: [reached], version }
  })

/** The oldest engines that a newer schema works with; null when it is not newer, or does not say. */
const readEnginesFrom = (version: string | null): Effect.Effect<string | null, never, Supabase> =>
  version === null || version <= SCHEMA_VERSION
    ? Effect.succeed(null)
    : Effect.flatMap(Supabase, (supabase) => supabase.call(readSchema, {})).pipe(
        Effect.map((answer) => answer.engines_from),
        Effect.orElseSucceed(() => null)
      )

/** A function is missing, and not the database itself or the schema that the API shows. */
const isOld = ({ code, reason }: SupabaseError): boolean =>
  reason === "Missing" && code !== "3D000" && code !== "PGRST106"

/** A database that did not answer, in the words and with the code that a tick would have for it. */
const failureOf = (failure: SupabaseError): Finding => {
  const { code, hint, message } = tickError(failure)
  return error("database", {
    code,
    what: message,
    why: "nothing can be read or run",
    fix: hint
  })
}

const readOnly = error("database", {
  code: "DATABASE_READ_ONLY",
  what: "the database is read-only",
  why: "it is a replica, or its disk is full: no run can be recorded, so none is started",
  fix: "Use the primary's address; if the disk is full, enlarge it (Dashboard: Settings, Compute and Disk)."
})

/** The body of the catalog's function, as its migration has it. */
const CATALOG =
  migrations.map(({ sql }) => sql.split("$catalog$")[1] ?? "").find((body) => body !== "") ?? ""

/**
 * Which migrations a database has that knows no doctor, over the Data API. Newer ones say so themselves; in
 * older ones the functions of each migration, newest first, are asked for without being called. Where the API gives no
 * hints, reading what is due tells at least that something is there.
 */
const probeVersion = Effect.gen(function* () {
  const supabase = yield* Supabase
  const said = yield* Effect.either(supabase.call(readSchema, {}))
  if (Either.isRight(said)) return said.right.schema_version
  const first = new Map(
    expectedItems
      .filter(({ kind, name }) => kind === "function" && name.startsWith("public."))
      .map(({ name, since }) => [since, name] as const)
  )
  for (const [version, signature] of [...first].toSorted().reverse()) {
    const [, name = "", args = ""] = /^public\.(\w+)\((.*)\)$/.exec(signature) ?? []
    const given = args.split(", ").map((arg) => [arg.split(" ")[0] ?? "", ""] as const)
    const answer = yield* Effect.either(
      supabase.call(probe(name), Object.fromEntries([...given, ["p_doctor", ""]]))
    )
    if (Either.isLeft(answer) && answer.left.detail.includes(`the function public.${name}(p_`)) {
      const isMeant = /Perhaps you meant to call the function public\.(\w+)\(/.exec(
        answer.left.detail
      )
      if (isMeant?.[1] === name) return version
    }
  }
  const due = yield* Effect.either(supabase.call(readDue, { p_limit: 1 }))
  const since = expectedItems.find(({ name }) => name.startsWith(`public.${readDue.name}(`))?.since
  return Either.isRight(due) ? (since ?? null) : null
})
