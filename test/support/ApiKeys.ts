import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { errorAnswer } from "./PostgrestError.ts"

export interface ApiKeys {
  /** The key `sb_secret_...` of the role `service_role`. Clients send it in `apikey`, never in `Authorization`. */
  readonly secretKey: string
  readonly publishableKey: string
  /** A JWT with the role `service_role`, sent in both `apikey` and `Authorization`. */
  readonly legacyServiceKey: string
  readonly anonKey: string
}

export interface Caller {
  readonly role: string
  readonly claims: Readonly<Record<string, unknown>>
}

export const issueKeys = (given: { readonly secretKey?: string; readonly anonKey?: string }) => {
  const secret = randomBytes(32)
  const sign = (claims: Readonly<Record<string, unknown>>): string => {
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
  }
  const legacy = (role: string) =>
    sign({ iss: "supabase", ref: "stand-in", role, iat: 1_767_225_600, exp: 2_082_758_400 })
  const keys: ApiKeys = {
    secretKey: given.secretKey ?? `sb_secret_${randomBytes(16).toString("hex")}`,
    publishableKey: `sb_publishable_${randomBytes(16).toString("hex")}`,
    legacyServiceKey: legacy("service_role"),
    anonKey: given.anonKey ?? legacy("anon")
  }
  const roles = new Map([
    [keys.secretKey, "service_role"],
    [keys.publishableKey, "anon"],
    [keys.anonKey, "anon"]
  ])

  const read = (key: string): Caller | Response => {
    const role = roles.get(key)
    if (role !== undefined) return { role, claims: { role } }
    return key.startsWith("eyJ") ? verify(key, secret) : refuse("Unregistered API key", UNKNOWN)
  }

  /** Returns the caller, or Supabase's 401 response. A bearer token takes precedence over `apikey`. */
  const authenticate = (headers: Headers): Caller | Response => {
    const key = headers.get("apikey")
    if (key === null) return refuse("No API key found in request", MISSING)
    if (key.startsWith("sb_secret_") && /mozilla/i.test(headers.get("user-agent") ?? "")) {
      return refuse("Forbidden use of secret API key in browser", BROWSER)
    }
    const caller = read(key)
    const bearer = headers.get("authorization")?.replace(/^bearer\s*/i, "")
    if (caller instanceof Response || bearer === undefined || bearer === key) return caller
    return verify(bearer, secret)
  }

  return { keys, sign, authenticate }
}

const MISSING = "No `apikey` request header or url param was found."
const UNKNOWN =
  "Double check the provided API key as it is not registered for this project. (stand-in)"
const BROWSER = "Secret API keys can only be used in a protected environment."

const refuse = (message: string, hint: string): Response =>
  Response.json({ message, hint }, { status: 401 })

/** The clock skew that PostgREST tolerates, in seconds. */
const LEEWAY_S = 30

const refuseToken = (code: string, message: string, details: string | null = null): Response =>
  errorAnswer(401, code, message, { details })

const verify = (token: string, secret: Buffer): Caller | Response => {
  if (token === "") return refuseToken("PGRST301", "Empty JWT is sent in Authorization header")
  const parts = token.split(".")
  const [header = "", payload = "", signature = ""] = parts
  if (parts.length !== 3) {
    return refuseToken("PGRST301", `Expected 3 parts in JWT; got ${parts.length}`)
  }
  const wanted = createHmac("sha256", secret).update(`${header}.${payload}`).digest()
  const got = Buffer.from(signature, "base64url")
  if (got.length !== wanted.length || !timingSafeEqual(got, wanted)) {
    const details = "None of the keys was able to decode the JWT"
    return refuseToken("PGRST301", "No suitable key or wrong key type", details)
  }
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(payload, "base64url").toString())
  const fault = faultOf(claims, Date.now() / 1000)
  if (fault !== undefined) return refuseToken("PGRST303", fault)
  const role = typeof claims.role === "string" ? claims.role : "anon"
  return { role, claims: { ...claims, role } }
}

const faultOf = (claims: Readonly<Record<string, unknown>>, now: number): string | undefined => {
  for (const name of ["exp", "nbf", "iat"]) {
    const value = claims[name]
    if (value !== undefined && typeof value !== "number") {
      return `The JWT '${name}' claim must be a number`
    }
  }
  const { exp = Number.POSITIVE_INFINITY, iat = 0, nbf = 0 } = claims
  if (Number(exp) < now - LEEWAY_S) return "JWT expired"
  if (Number(nbf) > now + LEEWAY_S) return "JWT not yet valid"
  return Number(iat) > now + LEEWAY_S ? "JWT issued at future" : undefined
}
