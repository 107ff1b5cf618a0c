import { Effect, Layer, Logger, LogLevel, Redacted, Runtime, Scope } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import { makeAccess } from "../../src/Server/Http/Access.ts"
import { makeHttpApp } from "../../src/Server/Http/HttpApp.ts"
import { monotonicMs, Watchdog } from "../../src/Server/Watchdog.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"

export const ADMIN_TOKEN = "an-admin-token-for-tests"
export const URL_HERE = "http://localhost:8787"
/** The headers of a browser's requests from the site's own pages. */
export const OWN_PAGE = { "sec-fetch-site": "same-origin", origin: URL_HERE }

export interface SiteOptions {
  readonly listen?: string
  readonly token?: boolean
  readonly actions?: boolean
  readonly hosts?: ReadonlyArray<string>
}

export type Ask = (path: string, init?: RequestInit) => Promise<Response>

export const makeTestSite = async (
  database: Layer.Layer<Supabase, SupabaseError>,
  options: SiteOptions = {}
): Promise<Ask> => {
  const access = makeAccess({
    listen: options.listen ?? "127.0.0.1:8787",
    adminToken: options.token === true ? Redacted.make(ADMIN_TOKEN) : null,
    allowActions: options.actions === true ? "true" : "false",
    allowedHosts: options.hosts ?? null
  })
  if (access === null) throw new Error("refused")
  const scope = Effect.runSync(Scope.make())
  const config = Layer.succeed(EngineConfig, { engineId: "site", ...defaultEngineSettings })
  const layers = Layer.mergeAll(database, config, Logger.minimumLogLevel(LogLevel.None))
  const run = Runtime.runPromise(
    await Effect.runPromise(Layer.toRuntime(layers).pipe(Scope.extend(scope)))
  )
  const watchdog = new Watchdog(await run(monotonicMs), 60_000, 60_000)
  const site = await run(makeHttpApp({ access, watchdog }).pipe(Scope.extend(scope)))
  return (path, init = {}) => {
    const headers = new Headers(init.headers)
    if (!headers.has("host")) headers.set("host", new URL(URL_HERE).host)
    return run(site(new Request(`${URL_HERE}${path}`, { redirect: "manual", ...init, headers })))
  }
}

export const form = (
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = OWN_PAGE
): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  body: new URLSearchParams(fields).toString()
})

export const json = (
  body: unknown,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${ADMIN_TOKEN}` }
): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body)
})

export const signIn = async (ask: Ask, name = "Kari"): Promise<string> => {
  const answer = await ask("/sign-in", form({ token: ADMIN_TOKEN, name }))
  if (answer.status !== 303) throw new Error(`the sign-in answered ${answer.status}`)
  return answer.headers.get("set-cookie")?.split(";")[0] ?? ""
}

/** Asserts that the message and hint are long enough to be useful. */
export const codeOf = async (answer: Response): Promise<string> => {
  const { errors } = await answer.json()
  const { code, hint, message } = errors[0]
  if (message.length < 10 || hint.length < 10) throw new Error(`says too little: ${message}`)
  return code
}
