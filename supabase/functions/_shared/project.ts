import { isRecord } from "./outcome.ts"
import { parseJson } from "./request.ts"

/** Where the function's database is, and who may call the function. */
export interface Project {
  readonly url: string
  /** The secret key that the function itself uses. */
  readonly key: string
  /** Keys that callers may carry. */
  readonly callerKeys: ReadonlyArray<string>
}

/** What `withSyncRun` accepts in place of the environment. */
export interface ProjectOptions {
  /** Keys that callers may carry, instead of the project's secret keys. */
  readonly keys?: ReadonlyArray<string>
  /** The project's URL and secret key, instead of the environment's. */
  readonly supabase?: { readonly url: string; readonly key: string }
}

/**
 * Reads the project from the options, else from what Supabase puts into a function's environment: `SUPABASE_URL`, and
 * `SUPABASE_SECRET_KEYS` (a JSON object of named keys), `SUPABASE_SECRET_KEY` or the legacy `SUPABASE_SERVICE_ROLE_KEY`.
 * Every one of these keys may call; the first is the function's own. Publishable keys are never taken for secret ones.
 *
 * Gives a text that names what is missing when there is no URL or no key: a function without a key is never open.
 */
export const readProject = (options: ProjectOptions): Project | string => {
  const secrets = [
    ...namedKeys(readEnv("SUPABASE_SECRET_KEYS")),
    readEnv("SUPABASE_SECRET_KEY"),
    readEnv("SUPABASE_SERVICE_ROLE_KEY")
  ].filter(isSecret)
  const url = options.supabase?.url ?? readEnv("SUPABASE_URL")
  const key = options.supabase?.key ?? secrets[0]
  const callerKeys = (options.keys ?? (options.supabase ? [options.supabase.key] : secrets)).filter(
    isSecret
  )
  if (url === undefined || !URL.canParse(url)) return "SUPABASE_URL is missing or not a URL"
  if (key === undefined || !isSecret(key) || callerKeys.length === 0) {
    return "No secret key: set SUPABASE_SECRET_KEYS, SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY"
  }
  return { url: url.replace(/\/+$/, ""), key, callerKeys }
}

const readEnv = (name: string): string | undefined => Deno.env.get(name)?.trim() || undefined

const isSecret = (key: string | undefined): key is string =>
  key !== undefined && key.length > 0 && !key.startsWith("sb_publishable_")

/** The values of `{"default": "sb_secret_...", ...}`, the default one first. */
const namedKeys = (text: string | undefined): ReadonlyArray<string> => {
  const named = text === undefined ? undefined : parseJson(text)
  if (!isRecord(named)) return []
  return [named.default, ...Object.values(named)].filter((key) => typeof key === "string")
}
