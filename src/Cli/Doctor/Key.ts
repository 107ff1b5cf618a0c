import { Redacted } from "effect"
import type { Settings } from "../../Config.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { keyClaims, keyKind, type SupabaseKeyKind } from "../../Domain/SupabaseKey.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"

const KINDS: Record<SupabaseKeyKind, string> = {
  secret: "a secret key (sb_secret_), sent in the header apikey",
  publishable: "a publishable key (sb_publishable_)",
  service_role: "the legacy service_role key, sent in apikey and as Bearer",
  anon: "the legacy anon key",
  jwt: "a JWT for your own role, sent in apikey and as Bearer",
  unknown: "a key of an unknown kind, sent in apikey and as Bearer"
}

const NEW_KEY = "Set SUPABASE_SECRET_KEY to a secret key (Dashboard: Project Settings, API Keys)."

/** Checks the key's format before the key is sent anywhere. `now` is in epoch milliseconds. */
export const keyFindings = (
  { secretKey, serviceRoleKey, supabaseUrl }: Settings,
  now: number
): ReadonlyArray<CheckResult> => {
  const given = secretKey ?? serviceRoleKey
  if (given === null) return []
  const key = Redacted.value(given)
  const kind = keyKind(key)
  const { exp, ref, role } = keyClaims(key)
  const host = supabaseUrl === null ? "" : (URL.parse(supabaseUrl)?.hostname ?? "")
  const [, project] = /^([a-z0-9]{20})\.supabase\.co$/.exec(host) ?? []
  const found = [
    exp !== undefined &&
      exp * 1000 < now &&
      error("key", {
        code: "KEY_REFUSED",
        what: `the key expired at ${describeInstant(exp * 1000, "UTC")}`,
        why: "the project rejects every call that uses this key",
        fix: NEW_KEY
      }),
    project !== undefined &&
      ref !== undefined &&
      ref !== project &&
      error("key", {
        code: "KEY_REFUSED",
        what: `the key belongs to project ${ref}, but SUPABASE_URL names project ${project}`,
        why: "a project rejects the keys of other projects",
        fix: `Set SUPABASE_URL=https://${ref}.supabase.co, or use a key for ${project}.`
      }),
    kind === "jwt" &&
      warning("key", {
        code: "KEY_ROLE",
        what: `the key is a JWT for the role ${role ?? "(none)"}`,
        why: "only service_role can call the scheduler's functions",
        fix: NEW_KEY
      }),
    kind === "unknown" &&
      warning("key", {
        code: "KEY_UNKNOWN",
        what: "the key does not look like a Supabase key",
        why: "another value may have been copied by mistake",
        fix: NEW_KEY
      })
  ]
  const findings = found.filter((one) => one !== false)
  if (findings.length > 0) return findings
  const legacy =
    kind === "service_role" ? "; Supabase is replacing these keys with sb_secret_ keys" : ""
  return [ok("key", `${KINDS[kind]}${legacy}`)]
}
