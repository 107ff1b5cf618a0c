import { Effect, Either, Layer, Redacted, Schema } from "effect"
import { ConfigError } from "./Config/Load.ts"
import { defaultEngineSettings, EngineConfig, type EngineSettings, table } from "./Config.ts"
import { Summary, type SummaryJson } from "./Domain/Summary.ts"
import { requireSecretKey } from "./Domain/SupabaseKey.ts"
import { parseUrl } from "./Domain/Url.ts"
import * as Engine from "./Engine.ts"
import * as InvokerLive from "./Layers/InvokerLive.ts"
import * as LedgerLive from "./Layers/LedgerLive.ts"
import * as LockLive from "./Layers/LockLive.ts"
import * as SupabaseLive from "./Layers/SupabaseLive.ts"
import { VERSION } from "./Version.ts"

/** What `runScheduledJobs` can be told; everything has the default of the setting of the same name. */
export interface RunScheduledJobsOptions {
  /** Authorises the invocations: a secret key, or the legacy service_role key. Default: the environment's. */
  readonly functionKey?: string
  /** Only this organisation, or only these integrations. */
  readonly orgId?: string
  readonly integrationIds?: ReadonlyArray<string>
  /** The most runs to start. */
  readonly limit?: number
  /** How long to go on claiming and sending, in milliseconds; what does not fit stays for the next tick. */
  readonly budgetMs?: number
  /** Concurrency (5) and the spans of the engine, in milliseconds. */
  readonly settings?: Partial<EngineSettings>
}

/**
 * Runs one tick: claims every due integration, invokes the Integration Edge Function for each (5 at a time), records
 * the outcomes and returns the structured summary. Nothing due: all zeros, no error.
 *
 * `supabaseClient` is a client of `@supabase/supabase-js` with a secret key; only its `rpc` is used.
 * `integrationEdgeFunctionUrl` is the whole URL of the function. *Fails with* (rejects): ConfigError, when the URL or
 * the key is missing or cannot be right; whatever goes wrong in the tick itself is in `errors` of the summary.
 */
export async function runScheduledJobs(
  supabaseClient: SupabaseLive.RpcClient,
  integrationEdgeFunctionUrl: string,
  options: RunScheduledJobsOptions = {}
): Promise<SummaryJson> {
  const key = options.functionKey ?? environmentKey()
  const problems = [...problemsOfUrl(integrationEdgeFunctionUrl), ...problemsOfKey(key)]
  if (key === undefined || problems.length > 0) throw new ConfigError({ problems })

  const base = Layer.mergeAll(
    SupabaseLive.fromClient(supabaseClient),
    Layer.succeed(EngineConfig, {
      engineId: `library-${crypto.randomUUID().slice(0, 8)}`,
      ...defaultEngineSettings,
      ...options.settings
    }),
    InvokerLive.layer({
      functionUrl: integrationEdgeFunctionUrl,
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
  return Schema.encodeSync(Summary)(summary)
}

/** The environment's key, in Bun, Node and Deno alike; undefined where the environment may not be read. */
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
          what: "integrationEdgeFunctionUrl is not usable",
          why: "it is not an http(s) URL",
          fix: "Pass the function's whole URL: https://<project-ref>.supabase.co/functions/v1/integration-sync"
        }
      ]
}

const problemsOfKey = (key: string | undefined) => {
  const what = "options.functionKey is not usable"
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
