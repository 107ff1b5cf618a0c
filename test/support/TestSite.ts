import { Effect, Layer, Logger, LogLevel, Redacted, Runtime, Scope } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import { makeAccess } from "../../src/Serve/Access.ts"
import { makeSite } from "../../src/Serve/Site.ts"
import { monotonicMs, Vitals } from "../../src/Serve/Vitals.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"

export const ADMIN_TOKEN = "an-admin-token-for-tests"
export const URL_HERE = "http://localhost:8787"
/** What a browser says of a request that one of our own pages makes. */
export const OWN_PAGE = { "sec-fetch-site": "same-origin", origin: URL_HERE }

/** How `serve` is started. */
export interface SiteOptions {
  readonly listen?: string
  readonly token?: boolean
  readonly actions?: boolean
  readonly hosts?: ReadonlyArray<string>
}

/** Asks a site, as `fetch` would, without any network. */
export type Ask = (path: string, init?: RequestInit) => Promise<Response>

/** What `serve` answers with, over a database of the test's own. It lives as long as the test process. */
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
  const vitals = new Vitals(await run(monotonicMs), 60_000, 60_000)
  const site = await run(makeSite({ access, vitals }).pipe(Scope.extend(scope)))
  return (path, init = {}) => {
    const headers = new Headers(init.headers)
    if (!headers.has("host")) headers.set("host", new URL(URL_HERE).host)
    return run(site(new Request(`${URL_HERE}${path}`, { redirect: "manual", ...init, headers })))
  }
}

/** A form as a browser sends it. */
export const form = (
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = OWN_PAGE
): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  body: new URLSearchParams(fields).toString()
})

/** JSON as a program with the token sends it. */
export const json = (
  body: unknown,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${ADMIN_TOKEN}` }
): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body)
})

/** Signs in, and gives the cookie. */
export const signIn = async (ask: Ask, name = "Kari"): Promise<string> => {
  const answer = await ask("/sign-in", form({ token: ADMIN_TOKEN, name }))
  if (answer.status !== 303) throw new Error(`the sign-in answered ${answer.status}`)
  return answer.headers.get("set-cookie")?.split(";")[0] ?? ""
}

/** The code of a refusal, which has to say what, why and how to fix it. */
export const codeOf = async (answer: Response): Promise<string> => {
  const { errors } = await answer.json()
  const { code, hint, message } = errors[0]
  if (message.length < 10 || hint.length < 10) throw new Error(`says too little: ${message}`)
  return code
}
