import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"

/** The keys of one stand-in project. */
export interface ApiKeys {
  /** `sb_secret_...`, role service_role. Belongs in the header `apikey`, never in `Authorization`. */
  readonly secretKey: string
  /** `sb_publishable_...`, role anon. */
  readonly publishableKey: string
  /** The older kind: a JWT with role service_role, in `apikey` and as bearer. */
  readonly legacyServiceKey: string
  /** A JWT with role anon. */
  readonly anonKey: string
}

/** Who asks: the database role of the request and the claims it runs under. */
export interface Caller {
  readonly role: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** Issues a project's keys and judges those of requests. */
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

  /**
   * The caller, or the 401 that Supabase answers: a key that its gateway does not know has no error code, a JWT that
   * PostgREST cannot verify has PGRST301 (expired: PGRST303). A bearer that is a JWT decides the role over the `apikey`.
   */
  const authenticate = (headers: Headers): Caller | Response => {
    const key = headers.get("apikey")
    if (key === null) return refuse("No API key found in request", MISSING)
    if (key.startsWith("sb_secret_") && /mozilla/i.test(headers.get("user-agent") ?? "")) {
      return refuse("Forbidden use of secret API key in browser", BROWSER)
    }
    const caller = read(key)
    const bearer = headers.get("authorization")?.replace(/^bearer\s+/i, "")
    if (caller instanceof Response || bearer === undefined || bearer === key) return caller
    return read(bearer)
  }

  return { keys, sign, authenticate }
}

const MISSING = "No `apikey` request header or url param was found."
const UNKNOWN =
  "Double check the provided API key as it is not registered for this project. (stand-in)"
const BROWSER = "Secret API keys can only be used in a protected environment."

const refuse = (message: string, hint: string): Response =>
  Response.json({ message, hint }, { status: 401 })

const refuseToken = (code: string, message: string): Response =>
  Response.json(
    { code, message, details: null, hint: null },
    { status: 401, headers: { "WWW-Authenticate": `Bearer error="invalid_token"` } }
  )

const verify = (token: string, secret: Buffer): Caller | Response => {
  const [header = "", payload = "", signature = ""] = token.split(".")
  const wanted = createHmac("sha256", secret).update(`${header}.${payload}`).digest()
  const got = Buffer.from(signature, "base64url")
  if (got.length !== wanted.length || !timingSafeEqual(got, wanted)) {
    return refuseToken("PGRST301", "No suitable key or wrong key type")
  }
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(payload, "base64url").toString())
  const { exp, role } = claims
  if (typeof exp === "number" && exp * 1000 < Date.now()) {
    return refuseToken("PGRST303", "JWT expired")
  }
  return { role: typeof role === "string" ? role : "anon", claims }
}
