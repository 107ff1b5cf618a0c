import { Data, Either, type Redacted } from "effect"
import { type Settings, table } from "../Config.ts"
import { closestMatch } from "../Domain/DidYouMean.ts"
import { parseUrl } from "../Domain/Url.ts"
import { IGNORED, ignoredWarnings } from "./Ambient.ts"
import type { Setting } from "./Setting.ts"
import { type Found, type Problem, resolveSetting, type Sources } from "./Source.ts"
import { telemetryTable } from "./Telemetry.ts"

/** Contains all missing and malformed settings, so that one error reports every problem. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(({ fix, what, why }) => `${what}: ${why}. ${fix}`).join(" ")
  }
}

/** For a malformed setting, `settings` contains the default, and `problems` contains a Problem. */
export interface Inspection {
  readonly settings: Settings
  /** The text and origin of each setting, by key. */
  readonly found: ReadonlyMap<string, Found>
  readonly problems: ReadonlyArray<Problem>
  /** Non-fatal problems, such as a misspelt variable or a key sent unencrypted. */
  readonly warnings: ReadonlyArray<string>
}

/** An error in one of these settings disables only telemetry. */
const telemetryKeys = new Set<string>(Object.values(telemetryTable).map(({ key }) => key))

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

/** The minimum safe lease margin, in milliseconds. A run can be sent up to 20 s after the engine requests its start. */
const SAFE_LEASE_MARGIN_MS = 30_000

const warningsFor = (sources: Sources, settings: Settings): ReadonlyArray<string> => {
  const keys = Object.values(table).map((setting) => setting.key)
  const known = new Set([IGNORED, ...keys.flatMap((key) => [key, `${key}_FILE`])])
  const unknown = Object.keys(sources.environment)
    .filter((name) => name.startsWith("SYNC_SCHEDULER_") && !known.has(name))
    .map((name) => {
      const meant = closestMatch(name, keys)
      const hint = meant === undefined ? "it has no effect" : `did you mean ${meant}?`
      return `${name} is not a setting: ${hint}`
    })
  const url = settings.supabaseUrl === null ? null : parseUrl(settings.supabaseUrl)
  const isOpen = url !== null && url.protocol === "http:" && !LOOPBACK.test(url.hostname)
  return [
    ...ignoredWarnings(sources.environment),
    ...unknown,
    ...(isOpen ? ["SUPABASE_URL is http: the key is sent unencrypted"] : []),
    ...(settings.leaseMargin < SAFE_LEASE_MARGIN_MS
      ? [`${table.leaseMargin.key} is under 30s: a slow start may outlive its lease`]
      : [])
  ]
}

/** Reads every setting. Never fails; reports errors in `problems`. */
export const inspect = (sources: Sources): Inspection => {
  const found = new Map<string, Found>()
  const problems: Array<Problem> = []
  const take = <A>(setting: Setting<A>): A =>
    Either.match(resolveSetting(setting, sources), {
      onLeft: (problem) => {
        problems.push(problem)
        return setting.fallback
      },
      onRight: (resolved) => {
        found.set(setting.key, resolved.found)
        return resolved.value
      }
    })
  const settings: Settings = {
    supabaseUrl: take(table.supabaseUrl),
    secretKey: take(table.secretKey),
    serviceRoleKey:
      found.get(table.secretKey.key)?.text == null ? take(table.serviceRoleKey) : null,
    databaseUrl: take(table.databaseUrl),
    functionName: take(table.functionName),
    functions: take(table.functions),
    functionUrl: take(table.functionUrl),
    concurrency: take(table.concurrency),
    invokeTimeout: take(table.invokeTimeout),
    leaseMargin: take(table.leaseMargin),
    runningGuard: take(table.runningGuard),
    quiescence: take(table.quiescence),
    adoptAfter: take(table.adoptAfter),
    retryBase: take(table.retryBase),
    retryCap: take(table.retryCap),
    driftAlert: take(table.driftAlert),
    catchUpWindow: take(table.catchUpWindow),
    alertWebhookUrl: take(table.alertWebhookUrl),
    alertWebhookSecret: take(table.alertWebhookSecret),
    alertFormat: take(table.alertFormat),
    pingUrl: take(table.pingUrl),
    listen: take(table.listen),
    allowedHosts: take(table.allowedHosts),
    allowActions: take(table.allowActions),
    adminToken: take(table.adminToken),
    interval: take(table.interval),
    probes: take(table.probes),
    drain: take(table.drain),
    edgeWallClock: take(table.edgeWallClock),
    edgeLimit: take(table.edgeLimit),
    logLevel: take(table.logLevel),
    logFormat: take(table.logFormat),
    otelEndpoint: take(table.otelEndpoint),
    otelProtocol: take(table.otelProtocol),
    otelHeaders: take(table.otelHeaders),
    otelServiceName: take(table.otelServiceName),
    otelResourceAttributes: take(table.otelResourceAttributes),
    otelDisabled: take(table.otelDisabled)
  }
  if (settings.retryCap < settings.retryBase) {
    problems.push({
      key: table.retryCap.key,
      what: "SYNC_SCHEDULER_RETRY_CAP is shorter than SYNC_SCHEDULER_RETRY_BASE",
      why: "the longest wait cannot be shorter than the first",
      fix: "Raise the cap or lower the base."
    })
  }
  const isOfTelemetry = ({ key }: Problem) => telemetryKeys.has(key)
  const ofTelemetry = problems.filter(isOfTelemetry)
  const warnings = [
    ...warningsFor(sources, settings),
    ...ofTelemetry.map(({ fix, what, why }) => `${what}: ${why}. No telemetry is sent. ${fix}`)
  ]
  return {
    settings: ofTelemetry.length === 0 ? settings : { ...settings, otelEndpoint: null },
    found,
    problems: problems.filter((problem) => !isOfTelemetry(problem)),
    warnings
  }
}

export type Database =
  | {
      readonly _tag: "Api"
      readonly url: string
      readonly key: Redacted.Redacted<string>
    }
  | { readonly _tag: "Direct"; readonly url: Redacted.Redacted<string> }

export interface FunctionSettings {
  readonly url: string
  readonly key: Redacted.Redacted<string>
  /** Additional functions that runs may invoke; see Domain/FunctionAccess. */
  readonly allowed?: ReadonlyArray<string>
}

/** The complete configuration for a tick. */
export interface Project {
  readonly settings: Settings
  readonly database: Database
  readonly functions: FunctionSettings
  readonly warnings: ReadonlyArray<string>
}

const missing = (setting: Setting<unknown>, why: string, fix: string): Problem => ({
  key: setting.key,
  what: `${setting.key} is missing`,
  why,
  fix
})

const noUrl = missing(
  table.supabaseUrl,
  "the engine reaches the database and the functions through it",
  "Set SUPABASE_URL=https://<project-ref>.supabase.co (Dashboard: Project Settings, API)."
)
const noFunctionUrl = missing(
  table.supabaseUrl,
  "the function's address is derived from it",
  "Set SUPABASE_URL=https://<project-ref>.supabase.co, or SYNC_SCHEDULER_FUNCTION_URL."
)
const noKey = missing(
  table.secretKey,
  "the engine reads schedules, writes runs and invokes functions with it",
  "Set SUPABASE_SECRET_KEY=sb_secret_... (Dashboard: Project Settings, API Keys), or provide it as a file."
)

/** Returns the required settings that are missing. Omits malformed settings, which are already in `problems`. */
export const missingFor = ({ settings, problems }: Inspection): ReadonlyArray<Problem> => {
  const malformed = new Set(problems.map(({ key }) => key))
  const isDirect = settings.databaseUrl !== null || malformed.has(table.databaseUrl.key)
  const isElsewhere = settings.functionUrl !== null || malformed.has(table.functionUrl.key)
  const hasKey = settings.secretKey !== null || settings.serviceRoleKey !== null
  const needed = [
    ...(settings.supabaseUrl === null && !isDirect ? [noUrl] : []),
    ...(settings.supabaseUrl === null && isDirect && !isElsewhere ? [noFunctionUrl] : []),
    ...(hasKey || malformed.has(table.serviceRoleKey.key) ? [] : [noKey])
  ]
  return needed.filter(({ key }) => !malformed.has(key))
}

/** Returns the configured database. A connection string takes precedence over the Data API. */
export const databaseOf = (inspection: Inspection): Database | null => {
  const { databaseUrl } = inspection.settings
  return databaseUrl === null ? apiSettings(inspection) : { _tag: "Direct", url: databaseUrl }
}

export const apiSettings = ({ settings }: Inspection): Database | null => {
  const { secretKey, serviceRoleKey, supabaseUrl: url } = settings
  const key = secretKey ?? serviceRoleKey
  return url === null || key === null ? null : { _tag: "Api", url, key }
}

/** Reads the settings for a command that only reads the database. *Fails with* ConfigError. */
export const loadDatabase = (
  sources: Sources
): Either.Either<Pick<Project, "settings" | "database" | "warnings">, ConfigError> => {
  const inspection = inspect(sources)
  const { settings, warnings } = inspection
  const database = databaseOf(inspection)
  const problems = [...(database === null ? missingFor(inspection) : []), ...inspection.problems]
  return problems.length > 0 || database === null
    ? Either.left(new ConfigError({ problems }))
    : Either.right({ settings, database, warnings })
}

/** Reads the settings that a tick needs. *Fails with* ConfigError. */
export const loadProject = (sources: Sources): Either.Either<Project, ConfigError> => {
  const inspection = inspect(sources)
  const { settings, warnings } = inspection
  const problems = [...missingFor(inspection), ...inspection.problems]
  const database = databaseOf(inspection)
  const functions = functionSettings(settings)
  return problems.length > 0 || database === null || functions === null
    ? Either.left(new ConfigError({ problems }))
    : Either.right({ settings, database, functions, warnings })
}

export const functionSettings = (settings: Settings): FunctionSettings | null => {
  const key = settings.secretKey ?? settings.serviceRoleKey
  const { functionName, functionUrl, supabaseUrl } = settings
  const url =
    functionUrl ?? (supabaseUrl === null ? null : `${supabaseUrl}/functions/v1/${functionName}`)
  return url === null || key === null ? null : { url, key, allowed: settings.functions ?? [] }
}
