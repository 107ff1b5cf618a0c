import { Either, Schema } from "effect"

/**
 * What kind of key this is.
 *
 * - `secret` (`sb_secret_`): bypasses row level security. Sent in `apikey` only.
 * - `publishable` (`sb_publishable_`): for browsers; may not call the scheduler's functions.
 * - `service_role`, `anon`, `jwt` (any other role): a legacy JWT key. Sent in `apikey` and as Bearer.
 * - `unknown`: none of these. Sent as a JWT would be; the server decides.
 */
export type SupabaseKeyKind = "secret" | "publishable" | "service_role" | "anon" | "jwt" | "unknown"

const Claims = Schema.parseJson(
  Schema.Struct({
    role: Schema.optional(Schema.Unknown),
    ref: Schema.optional(Schema.Unknown),
    exp: Schema.optional(Schema.Unknown)
  })
)

/** What a legacy key says of itself: its role, its project, and when it ends in seconds since 1970. */
export interface KeyClaims {
  readonly role?: string
  readonly ref?: string
  readonly exp?: number
}

/** The kind of a key, by its form alone: a JWT's role is read, its signature is not verified. */
export const keyKind = (key: string): SupabaseKeyKind => {
  if (key.startsWith("sb_secret_")) return "secret"
  if (key.startsWith("sb_publishable_")) return "publishable"
  const claims = claimsOf(key)
  if (claims === null) return "unknown"
  const { role } = claims
  return role === "service_role" || role === "anon" ? role : "jwt"
}

/** The claims of a key that is a JWT, whatever its signature is worth; none of any other. */
export const keyClaims = (key: string): KeyClaims => {
  const { exp, ref, role } = claimsOf(key) ?? {}
  return {
    ...(typeof role === "string" ? { role } : {}),
    ...(typeof ref === "string" ? { ref } : {}),
    ...(typeof exp === "number" ? { exp } : {})
  }
}

const claimsOf = (key: string): typeof Claims.Type | null => {
  const [, payload, signature] = key.split(".")
  if (!key.startsWith("eyJ") || payload === undefined || signature === undefined) return null
  const claims = Either.flatMap(decodeBase64Url(payload), Schema.decodeEither(Claims))
  return Either.isRight(claims) ? claims.right : null
}

/** Whether the key also goes in `Authorization: Bearer`. The new keys are refused there. */
export const isBearer = (key: string): boolean => !["secret", "publishable"].includes(keyKind(key))

/** Whether the scheduler's functions may accept it: false only where its form already says that they will not. */
export const mayBeService = (key: string): boolean =>
  !["publishable", "anon"].includes(keyKind(key))

/** The key, when its form does not rule it out; else why and how to put it right, which never repeats the key. */
export const requireSecretKey = (
  key: string
): Either.Either<string, { readonly why: string; readonly fix: string }> => {
  const refuse = (why: string) =>
    Either.left({
      why,
      fix: "Copy a secret key (sb_secret_..., or service_role) from the project's settings, API Keys."
    })
  if (key === "") return refuse("it is empty")
  // A header cannot carry it, and the runtime's own error would repeat it.
  if (!/^[\x21-\x7e]+$/.test(key))
    return refuse("it has spaces, line breaks or other foreign characters in it")
  return mayBeService(key)
    ? Either.right(key)
    : refuse(
        `it is ${keyKind(key) === "anon" ? "the anon" : "a publishable"} key, which may not do this`
      )
}

const decodeBase64Url = (text: string): Either.Either<string, unknown> =>
  Either.try(() => {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"))
    return new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)))
  })
