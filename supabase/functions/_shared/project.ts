import { isRecord } from "./outcome.ts"
import { parseJson } from "./request.ts"
import { readVariable } from "./runtime.ts"

export interface Project {
  readonly url: string
  /** The secret key for database calls. */
  readonly key: string
  /** The keys that callers can send. */
  readonly callerKeys: ReadonlyArray<string>
}

export interface ProjectOptions {
  /** The keys that callers can send. Default: the project's secret keys. */
  readonly keys?: ReadonlyArray<string>
  /** The project's URL and secret key. Default: from the environment. */
  readonly supabase?: { readonly url: string; readonly key: string }
}

/**
 * Reads the project from the options or from Supabase's environment variables: `SUPABASE_URL`, and `SUPABASE_SECRET_KEYS` (a JSON
 * object), `SUPABASE_SECRET_KEY` or the legacy `SUPABASE_SERVICE_ROLE_KEY`. Callers can use any of these keys; the function uses
 * the first. Returns an error message if the URL or the key is missing.
 */
export const readProject = (options: ProjectOptions): Project | string => {
  const secrets = [
    ...namedKeys(readVariable("SUPABASE_SECRET_KEYS")),
    readVariable("SUPABASE_SECRET_KEY"),
    readVariable("SUPABASE_SERVICE_ROLE_KEY")
  ].filter(isSecret)
  const url = options.supabase?.url ?? readVariable("SUPABASE_URL")
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

const isSecret = (key: string | undefined): key is string =>
  key !== undefined && key.length > 0 && !key.startsWith("sb_publishable_")

/** Reads `{"default": "sb_secret_...", ...}`, with the default key first. */
const namedKeys = (text: string | undefined): ReadonlyArray<string> => {
  const named = text === undefined ? undefined : parseJson(text)
  if (!isRecord(named)) return []
  return [named.default, ...Object.values(named)].filter((key) => typeof key === "string")
}
