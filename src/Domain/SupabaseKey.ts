import { Either, Predicate } from "effect"

/**
 * The kind of a Supabase key.
 *
 * - `secret` (`sb_secret_`): bypasses row level security. Sent in `apikey` only.
 * - `publishable` (`sb_publishable_`): for browsers; cannot call the scheduler's functions.
 * - `service_role`, `anon`, `jwt` (any other role): a legacy JWT key. Sent in `apikey` and as Bearer.
 * - `unknown`: any other format. Sent like a JWT key.
 */
export type SupabaseKeyKind = "secret" | "publishable" | "service_role" | "anon" | "jwt" | "unknown"

/** The claims of a legacy key. `exp` is a Unix time in seconds. */
export interface KeyClaims {
  readonly role?: string
  readonly ref?: string
  readonly exp?: number
}

/** Determines the kind of a key from its format, without verifying the signature of a JWT. */
export const keyKind = (key: string): SupabaseKeyKind => {
  if (key.startsWith("sb_secret_")) return "secret"
  if (key.startsWith("sb_publishable_")) return "publishable"
  const claims = claimsOf(key)
  if (claims === null) return "unknown"
  const { role } = claims
  return role === "service_role" || role === "anon" ? role : "jwt"
}

/** Returns the unverified claims of a JWT key; empty for any other key. */
export const keyClaims = (key: string): KeyClaims => {
  const { exp, ref, role } = claimsOf(key) ?? {}
  return {
    ...(typeof role === "string" ? { role } : {}),
    ...(typeof ref === "string" ? { ref } : {}),
    ...(typeof exp === "number" ? { exp } : {})
  }
}

const claimsOf = (key: string): Readonly<Record<string, unknown>> | null => {
  const [, payload, signature] = key.split(".")
  if (!key.startsWith("eyJ") || payload === undefined || signature === undefined) return null
  const claims: unknown = Either.getOrNull(
    Either.flatMap(decodeBase64Url(payload), (text) => Either.try(() => JSON.parse(text)))
  )
  return Predicate.isRecord(claims) ? claims : null
}

/** Returns whether the key is also sent as a Bearer token. The platform rejects secret and publishable keys as Bearer tokens. */
export const isBearer = (key: string): boolean => !["secret", "publishable"].includes(keyKind(key))

/** Returns false only if the format shows that the key cannot call the scheduler's functions. */
export const mayBeService = (key: string): boolean =>
  !["publishable", "anon"].includes(keyKind(key))

/** *Fails with* a reason and a fix, neither of which quotes the key. */
export const requireSecretKey = (
  key: string
): Either.Either<string, { readonly why: string; readonly fix: string }> => {
  const refuse = (why: string) =>
    Either.left({
      why,
      fix: "Copy a secret key (sb_secret_..., or service_role) from the project's settings, API Keys."
    })
  if (key === "") return refuse("it is empty")
  // A key with other characters is not valid in a header. The runtime's own error would quote the key.
  if (!/^[\x21-\x7e]+$/.test(key))
    return refuse("it contains spaces, line breaks or other invalid characters")
  return mayBeService(key)
    ? Either.right(key)
    : refuse(
        `it is ${keyKind(key) === "anon" ? "the anon" : "a publishable"} key, which lacks the required permission`
      )
}

const decodeBase64Url = (text: string): Either.Either<string, unknown> =>
  Either.try(() => {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"))
    return new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)))
  })
