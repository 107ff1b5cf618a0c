import { migrations } from "../../Database/Migrations.ts"
import {
  type Drift,
  driftOf,
  itemsOf,
  namesOf,
  type SchemaCatalog
} from "../../Database/SchemaCatalog.ts"
import { commandCodes } from "../../Domain/ErrorCode.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../../Version.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"
import { expectedItems } from "./DatabaseChecks.ts"

/** The maximum number of findings of one kind to list. The rest are counted. */
const MOST = 10

/**
 * Checks whether the database has the schema that this binary expects. `version` is undefined if it is unknown. A newer schema
 * declares `enginesFrom` (see Database/SchemaVersion).
 */
export const schemaFindings = (
  version: string | null | undefined,
  enginesFrom: string | null,
  catalog: SchemaCatalog | null
): ReadonlyArray<CheckResult> => {
  if (version === undefined) return []
  if (version === null) return [noMigrations]
  const drift = catalog === null ? [] : driftOf(expectedItems, itemsOf(catalog), version)
  // In this order, each object comes after the objects that it depends on.
  const inOrder = drift.toSorted((a, b) => ORDER[a.expected.kind] - ORDER[b.expected.kind])
  const findings = [...ageFindings(version, enginesFrom), ...listed(inOrder.map(driftFinding))]
  if (findings.length > 0) return findings
  return catalog === null
    ? [unknownSchema]
    : [ok("schema", `matches this version (${version}); nothing is missing or changed`)]
}

const noMigrations = error("schema", {
  code: "MIGRATIONS_MISSING",
  what: "Sync Scheduler is not installed in this database",
  why: "its tables and functions do not exist, so nothing can be scheduled",
  fix: [
    'sync-scheduler schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL", or supabase db push',
    `if the migrations have been applied, the Data API has not reloaded its schema yet: ${commandCodes.SCHEMA_CACHE_STALE.fix}`
  ].join("\n")
})

const unknownSchema = warning("schema", {
  code: "SCHEMA_UNKNOWN",
  what: "the database has all migrations, but doctor cannot query it",
  why: "the function read_sync_diagnosis is missing, or the API has not reloaded its schema",
  fix: `${printed(["read_sync_diagnosis"])}; then notify pgrst, 'reload schema';`
})

const ageFindings = (version: string, enginesFrom: string | null): ReadonlyArray<CheckResult> => {
  if (version > SCHEMA_VERSION) {
    const what = `the database is at ${version}, but this binary expects ${SCHEMA_VERSION}`
    if (enginesFrom !== null && SCHEMA_VERSION < enginesFrom) {
      return [
        error("schema", {
          code: "ENGINE_TOO_OLD",
          what,
          why: "the database no longer supports this version, so this binary cannot claim runs",
          fix: "Update sync-scheduler on this machine."
        })
      ]
    }
    return [
      warning("schema", {
        code: "BINARY_OLD",
        what,
        why: "the binary continues to work, but without the newer features",
        fix: "Update sync-scheduler on this machine."
      })
    ]
  }
  const missing = migrations.filter((one) => one.version > version)
  const [next] = missing
  if (next === undefined) return []
  const isTooOld = version < OLDEST_SCHEMA
  return [
    (isTooOld ? error : warning)("schema", {
      code: isTooOld ? "SCHEMA_TOO_OLD" : "SCHEMA_OLDER",
      what: `the database is at ${version}: ${missing.length === 1 ? "1 migration is" : `${missing.length} migrations are`} missing, starting with ${next.version}_${next.name}`,
      why: isTooOld
        ? "ticks of this version call functions that do not exist"
        : "ticks of this version work, but newer commands may not",
      fix: `sync-scheduler schema print --after ${version} | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL", or supabase db push`
    })
  ]
}

/** Returns the command that recreates these objects. */
function printed(names: ReadonlyArray<string>): string {
  const only = names.map((name) => `--only ${name}`).join(" ")
  return `sync-scheduler schema print ${only} | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"`
}

const shortName = (name: string): string => name.replace(/\(.*$/, "")

const driftFinding = ({ expected, found }: Drift): CheckResult => {
  const { kind, name } = expected
  const short = shortName(name)
  if (found === null) {
    return error("schema", {
      code: "SCHEMA_MISSING",
      what: `${kind} ${name} is missing`,
      why: WHY_MISSING[kind],
      fix: printed([short])
    })
  }
  if (kind === "trigger") {
    const [, table = "", trigger = ""] = /^public\.(\w+)\.(\w+)$/.exec(name) ?? []
    return error("schema", {
      code: "TRIGGER_DISABLED",
      what: `trigger ${trigger} of ${table} is disabled`,
      why: WHY_MISSING.trigger,
      fix: `alter table public.${table} enable trigger ${trigger};`
    })
  }
  if (kind === "index") {
    return error("schema", {
      code: "SCHEMA_CHANGED",
      what: `index ${short} is ${found.print ?? "a different index"}, not ${expected.print ?? "the expected one"}`,
      why: WHY_MISSING.index,
      fix: `drop index ${short}; then ${printed([short])}`
    })
  }
  return warning("schema", {
    code: "SCHEMA_CHANGED",
    what: `${kind} ${name} differs from the one that the migrations create`,
    why: "it was changed by hand, so its behaviour is unknown",
    fix:
      kind === "function"
        ? printed([short])
        : `Compare it with: sync-scheduler schema print --only ${short}`
  })
}

const ORDER: Record<Drift["expected"]["kind"], number> = {
  table: 0,
  column: 1,
  index: 2,
  view: 3,
  function: 4,
  trigger: 5
}

const WHY_MISSING: Record<Drift["expected"]["kind"], string> = {
  function: "every call to it fails",
  table: "its records are lost, and calls that write to it fail",
  view: "queries of this view fail, for example those of a tick monitor",
  column: "functions that read or write it fail",
  index: "without it, claims can be unsafe or ticks slow",
  trigger: "edits and runs no longer update the data that depends on them"
}

const listed = (findings: ReadonlyArray<CheckResult>): ReadonlyArray<CheckResult> => {
  const [first] = findings.slice(MOST)
  return first === undefined
    ? findings
    : [
        ...findings.slice(0, MOST),
        {
          ...first,
          what: `${findings.length - MOST} more objects are missing or changed, such as: ${first.what}`
        }
      ]
}

/** Checks row level security, and the grants to the roles that browsers use. */
export const accessFindings = (catalog: SchemaCatalog | null): ReadonlyArray<CheckResult> => {
  if (catalog === null || catalog.schema_version === null) return []
  const ours = new Set(namesOf(expectedItems))
  const isOurs = (name: string) => name.startsWith("sync_scheduler.") || ours.has(name.slice(7))
  const functions = catalog.functions.filter(({ name }) => isOurs(name))
  const findings = [
    ...catalog.tables.filter(({ kind, rls }) => kind === "table" && !rls).map(rlsFinding),
    ...catalog.tables.filter(({ open_to }) => open_to.length > 0).flatMap(openTable),
    ...functions.filter(({ open_to }) => open_to.length > 0).map(openFunction),
    ...[
      ...functions.filter(({ name, service }) => name.startsWith("public.") && !service),
      ...catalog.tables.filter(({ service }) => !service)
    ].map(closedFinding)
  ]
  return findings.length > 0
    ? listed(findings)
    : [
        ok(
          "access",
          `row level security is on, and nothing is open to anon or authenticated (${functions.length} functions, ${catalog.tables.length} tables)`
        )
      ]
}

const rlsFinding = ({ name, open_to }: SchemaCatalog["tables"][number]): CheckResult => {
  const isOpen = open_to.length > 0
  return (isOpen ? error : warning)("access", {
    code: "RLS_OFF",
    what: `row level security is off for ${name}`,
    why: isOpen
      ? `every holder of the project's anon key can use it (${open_to.join(", ")})`
      : "a grant to anon or authenticated would expose every row",
    fix: `alter table ${name} enable row level security;`
  })
}

/** A project can deliberately expose an adopted table to its users, as long as row level security is on. */
const openTable = ({
  name,
  open_to,
  rls
}: SchemaCatalog["tables"][number]): ReadonlyArray<CheckResult> => {
  const isAdoptable = /^public\.(organization_integrations|sync_run_log)$/.test(name)
  if (isAdoptable && rls) return []
  return [
    error("access", {
      code: "OPEN_TO_OTHERS",
      what: `${name} is granted to roles other than service_role: ${open_to.join(", ")}`,
      why: "the anon key is public, so anyone could read the data or change what runs",
      fix: `revoke all on ${name} from public, anon, authenticated;`
    })
  ]
}

const openFunction = ({ args, name, open_to }: SchemaCatalog["functions"][number]): CheckResult =>
  error("access", {
    code: "OPEN_TO_OTHERS",
    what: `${name} can be called by ${open_to.join(", ")}`,
    why: "the anon key is public, so anyone could start or stop syncs",
    fix: `revoke all on function ${name}(${args}) from public, anon, authenticated;`
  })

const closedFinding = (
  one: SchemaCatalog["functions"][number] | SchemaCatalog["tables"][number]
): CheckResult => {
  const object = "args" in one ? `function ${one.name}(${one.args})` : one.name
  return error("access", {
    code: "CLOSED_TO_SERVICE",
    what: `service_role cannot use ${one.name}`,
    why: "calls with the secret key are rejected",
    fix: `grant ${"args" in one ? "execute" : "all"} on ${object} to service_role;`
  })
}
