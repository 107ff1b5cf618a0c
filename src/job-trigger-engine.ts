import { Effect, Either, Layer, Redacted, Schema } from "effect"
import { ConfigError } from "./Config/Load.ts"
import { defaultEngineSettings, EngineConfig, type EngineSettings, table } from "./Config.ts"
import { closestMatch } from "./Domain/DidYouMean.ts"
import { Summary, type SummaryJson, TickFailed } from "./Domain/Summary.ts"
import { requireSecretKey } from "./Domain/SupabaseKey.ts"
import { parseUrl } from "./Domain/Url.ts"
import * as Engine from "./Engine.ts"
import * as InvokerLive from "./Layers/InvokerLive.ts"
import * as LedgerLive from "./Layers/LedgerLive.ts"
import * as LockLive from "./Layers/LockLive.ts"
import * as SupabaseLive from "./Layers/SupabaseLive.ts"
import { VERSION } from "./Version.ts"

export { ConfigError } from "./Config/Load.ts"
export { type SummaryJson, TickFailed } from "./Domain/Summary.ts"

/** The maximum wait for an unresponsive database, in milliseconds. It is short, because the caller can call again. */
const DATABASE_WAIT_MS = 10_000

export interface RunScheduledJobsOptions {
  /** A secret key, or the legacy service_role key, for the invocations. Default: the key in the environment. */
  readonly functionKey?: string
  /** Functions that an integration can set as its `function_name`, in addition to the default function. Default: none. */
  readonly functions?: ReadonlyArray<string>
  /** Restricts the tick to one organisation or to certain integrations. */
  readonly orgId?: string
  readonly integrationIds?: ReadonlyArray<string>
  /** The maximum number of runs to start. Default: no limit. */
  readonly limit?: number
  /** The time limit for claiming and starting runs, in milliseconds. The next tick starts the remaining runs. */
  readonly budgetMs?: number
  /** Overrides of the engine's default settings. Durations are in milliseconds. The default concurrency is 5. */
  readonly settings?: Partial<EngineSettings>
  /** Whether to reject with TickFailed if the summary's `ok` is false. Default: false. */
  readonly throwOnError?: boolean
}

/**
 * Runs one tick: claims every due integration, invokes its Integration Edge Function, records the outcomes and returns the
 * summary. By default, invokes at most 5 functions at a time. If nothing is due, the counts are zero and there is no error.
 *
 * `supabaseClient` is a `@supabase/supabase-js` client with a secret key; only its `rpc` is used. `integrationEdgeFunctionUrl` is
 * the complete URL of the function.
 *
 * Rejects with ConfigError if the URL, the key or an option is invalid, and with TickFailed if the tick could not do its work and
 * `throwOnError` is set. Without `throwOnError`, the summary of a failed tick has `ok: false` and lists the reasons in `errors`.
 * The tick waits up to 10 s for an unresponsive database (`settings.databaseWaitMs`). A call that hangs is aborted after 30 s. If
 * an outcome cannot be recorded, the tick retries until the run's lease ends.
 */
export async function runScheduledJobs(
  supabaseClient: SupabaseLive.RpcClient,
  integrationEdgeFunctionUrl: string,
  options: RunScheduledJobsOptions = {}
): Promise<SummaryJson> {
  const key = options.functionKey ?? environmentKey()
  const problems = [
    ...problemsOfUrl(integrationEdgeFunctionUrl),
    ...problemsOfKey(key),
    ...problemsOfNames("options", options, OPTIONS),
    ...problemsOfNames("options.settings", options.settings ?? {}, SETTINGS),
    ...problemsOfNumbers(options)
  ]
  if (key === undefined || problems.length > 0) throw new ConfigError({ problems })

  const base = Layer.mergeAll(
    SupabaseLive.fromClient(supabaseClient),
    Layer.succeed(EngineConfig, {
      engineId: `library-${crypto.randomUUID().slice(0, 8)}`,
      ...defaultEngineSettings,
      databaseWaitMs: DATABASE_WAIT_MS,
      ...options.settings
    }),
    InvokerLive.layer({
      functionUrl: integrationEdgeFunctionUrl,
      allowed: options.functions,
      key: Redacted.make(key),
      version: VERSION
    })
  )
  const engine = Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(Layer.provideMerge(base))
  const summary = await Effect.runPromise(
    Engine.tick({
      scope: { orgId: options.orgId, integrationIds: options.integrationIds },
      limit: options.limit,
      budgetMs: options.budgetMs
    }).pipe(Effect.provide(engine))
  )
  const encoded = Schema.encodeSync(Summary)(summary)
  if (options.throwOnError === true && !encoded.ok) {
    throw new TickFailed({ code: encoded.errors[0]?.code ?? "ENGINE_DEFECT", summary: encoded })
  }
  return encoded
}

const OPTIONS = [
  "functionKey",
  "functions",
  "orgId",
  "integrationIds",
  "limit",
  "budgetMs",
  "settings",
  "throwOnError"
]
const SETTINGS = ["engineId", ...Object.keys(defaultEngineSettings)]

/** Without this check, a misspelt option would be silently ignored. */
const problemsOfNames = (place: string, given: object, known: ReadonlyArray<string>) =>
  Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const setting = known === OPTIONS ? closestMatch(name, SETTINGS) : undefined
      const meant =
        closestMatch(name, known) ?? (setting === undefined ? undefined : `settings.${setting}`)
      return {
        key: name,
        what: `${place}.${name} is invalid`,
        why: "this option does not exist",
        fix:
          meant === undefined ? `The options are: ${known.join(", ")}.` : `Did you mean ${meant}?`
      }
    })

/** With a concurrency of 0, for example, the tick would never end. */
const problemsOfNumbers = ({ budgetMs, limit, settings = {} }: RunScheduledJobsOptions) => {
  const { concurrency, engineId: _, ...spans } = settings
  const whole = (least: number) => (value: number) => Number.isSafeInteger(value) && value >= least
  const isSpan = (value: number) => Number.isFinite(value) && value >= 0
  return [
    ["options.settings.concurrency", concurrency, whole(1), "a whole number from 1"] as const,
    ["options.limit", limit, whole(0), "a whole number from 0"] as const,
    ["options.budgetMs", budgetMs, isSpan, "milliseconds from 0"] as const,
    ...Object.entries(spans).map(
      ([name, value]) => [`options.settings.${name}`, value, isSpan, "milliseconds from 0"] as const
    )
  ].flatMap(([key, value, isUsable, wanted]) =>
    value === undefined || isUsable(value)
      ? []
      : [
          {
            key,
            what: `${key} is invalid`,
            why: `it is ${value}`,
            fix: `Pass ${wanted}.`
          }
        ]
  )
}

/** Reads the key in Bun, Node and Deno. Returns undefined if there is no key or no permission to read the environment. */
const environmentKey = (): string | undefined =>
  Either.getOrUndefined(
    Either.try(
      () => process.env[table.secretKey.key] ?? process.env[table.serviceRoleKey.key] ?? undefined
    )
  )

const problemsOfUrl = (url: string) => {
  const parsed = parseUrl(url)
  return parsed !== null && (parsed.protocol === "https:" || parsed.protocol === "http:")
    ? []
    : [
        {
          key: "integrationEdgeFunctionUrl",
          what: "integrationEdgeFunctionUrl is invalid",
          why: "it is not an http(s) URL",
          fix: "Pass the function's complete URL: https://<project-ref>.supabase.co/functions/v1/integration-sync"
        }
      ]
}

const problemsOfKey = (key: string | undefined) => {
  const what = "options.functionKey is invalid"
  if (key === undefined) {
    return [
      {
        key: "functionKey",
        what,
        why: "neither options.functionKey nor SUPABASE_SECRET_KEY is set",
        fix: "Pass { functionKey } or set SUPABASE_SECRET_KEY to a secret key of the project (sb_secret_...)."
      }
    ]
  }
  return Either.match(requireSecretKey(key), {
    onLeft: ({ why, fix }) => [{ key: "functionKey", what, why, fix }],
    onRight: () => []
  })
}
