import { createHmac, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** The lifetime of a session, in milliseconds. */
const SESSION_MS = 12 * 3_600_000
const MAX_NAME = 80

/** An operator's session. */
export interface Session {
  /** The name given at sign-in, which is recorded with every action. */
  readonly actor: string
  /** The CSRF token for this session's forms. */
  readonly csrf: string
}

/** Sign-in sessions derived from the admin token. */
export interface Sessions {
  /** Compares a string with the admin token, in constant time. */
  readonly isToken: (text: string) => boolean
  /** Returns the cookie for a new session. `now` is in epoch milliseconds. */
  readonly issue: (
    actor: string,
    now: number
  ) => { readonly value: string; readonly seconds: number }
  /** Returns the cookie's session. Returns null if the cookie was altered, has expired, or was issued for another admin token. */
  readonly read: (value: string, now: number) => Session | null
}

/**
 * Creates stateless sessions. A cookie has the form `<end>.<name>.<signature>`, and the signing key is derived from the admin
 * token. Every replica can verify a cookie. A change of the admin token ends all sessions.
 */
export const makeSessions = (adminToken: Redacted.Redacted<string>): Sessions => {
  const token = Redacted.value(adminToken)
  const key = hmac(token, "sync-scheduler session 1")
  return {
    isToken: (text) => timingSafeEqual(hmac(key, text), hmac(key, token)),
    issue: (actor, now) => {
      const name = Buffer.from(actor.slice(0, MAX_NAME)).toString("base64url")
      const content = `${(now + SESSION_MS).toString(36)}.${name}`
      return { value: `${content}.${sign(key, content)}`, seconds: SESSION_MS / 1000 }
    },
    read: (value, now) => {
      const [, content, end, name, signature] =
        /^(([0-9a-z]{1,12})\.([\w-]{0,400}))\.([\w-]{43})$/.exec(value) ?? []
      if (content === undefined || end === undefined || name === undefined) return null
      const expected = Buffer.from(sign(key, content))
      if (!timingSafeEqual(Buffer.from(signature ?? ""), expected)) return null
      if (Number.parseInt(end, 36) <= now) return null
      return {
        actor: Buffer.from(name, "base64url").toString(),
        csrf: sign(key, `csrf ${value}`)
      }
    }
  }
}

export const isFormOf = (session: Session, csrf: string): boolean => {
  const given = Buffer.from(csrf)
  const expected = Buffer.from(session.csrf)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest()

const sign = (key: Buffer, text: string): string => hmac(key, text).toString("base64url")
