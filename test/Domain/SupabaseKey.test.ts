import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { isBearer, keyKind, mayBeService, requireSecretKey } from "../../src/Domain/SupabaseKey.ts"

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const jwt = (claims: unknown) => `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}.c2lnbmVk`

const secret = "sb_secret_0123456789abcdef"
const publishable = "sb_publishable_0123456789abcdef"
const serviceRole = jwt({ iss: "supabase", name: "Blåbær?>~", role: "service_role" })
const anon = jwt({ role: "anon" })

describe("keyKind", () => {
  test.each([
    ["a secret key", secret, "secret"],
    ["a publishable key", publishable, "publishable"],
    ["a service_role JWT", serviceRole, "service_role"],
    ["an anon JWT", anon, "anon"],
    ["a JWT of another role", jwt({ role: "authenticated" }), "jwt"],
    ["a JWT without a role", jwt({}), "jwt"],
    ["a JWT that is no object", jwt("text"), "unknown"],
    ["a JWT that is cut off", serviceRole.split(".").slice(0, 2).join("."), "unknown"],
    ["a JWT that is no base64", "eyJ*.*.*", "unknown"],
    ["another sb_ key", "sb_temp_x", "unknown"],
    ["a password", "hunter2", "unknown"],
    ["nothing", "", "unknown"]
  ] as const)("%s is recognised", (_, key, kind) => {
    expect(keyKind(key)).toBe(kind)
  })

  test("new keys are never sent in Authorization", () => {
    expect([secret, publishable].some(isBearer)).toBe(false)
    expect([serviceRole, anon, "hunter2"].every(isBearer)).toBe(true)
  })

  test("only keys that surely lack permission are rejected", () => {
    expect([publishable, anon].some(mayBeService)).toBe(false)
    expect([secret, serviceRole, jwt({}), "sb_temp_x"].every(mayBeService)).toBe(true)
  })
})

describe("requireSecretKey", () => {
  test("accepts keys that might have permission", () => {
    expect(requireSecretKey(secret)).toEqual(Either.right(secret))
    expect(requireSecretKey(serviceRole)).toEqual(Either.right(serviceRole))
  })

  test.each([
    ["", "empty"],
    [publishable, "publishable"],
    [anon, "anon"],
    [`${secret}\n`, "line breaks"],
    ["sb_secret_clé", "invalid characters"]
  ])("rejects other keys without printing them: %j", (key, word) => {
    const fault = Either.getOrThrow(Either.flip(requireSecretKey(key)))
    expect(fault.why).toContain(word)
    expect(fault.fix).toContain("secret key")
    if (key !== "") expect(JSON.stringify(fault)).not.toContain(key.trim())
  })
})
