import { createHmac, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** How long somebody who signed in may act, in milliseconds. */
const SESSION_MS = 12 * 3_600_000
/** The most of a name that is kept. */
const MAX_NAME = 80

/** Somebody who showed the admin token at the sign-in. */
export interface Session {
  /** The name that was given there: who is recorded with every action. */
  readonly actor: string
  /** What every form of this session sends along. */
  readonly csrf: string
}

/** What the admin token makes possible. */
export interface Sessions {
  /** Whether this is the admin token; takes the same time whatever it is. */
  readonly isToken: (text: string) => boolean
  /** A cookie's value for somebody who showed it. `now` in epoch milliseconds. */
  readonly issue: (
    actor: string,
    now: number
  ) => { readonly value: string; readonly seconds: number }
  /** Who a cookie stands for; null when it was not made with this token, was changed, or is over. */
  readonly read: (value: string, now: number) => Session | null
}

/**
 * Sessions without any memory: a cookie is `<end>.<name>.<signature>`, signed with a key that is derived from the admin
 * token, so that every replica knows it, and a new token ends all sessions.
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

/** Whether a form was made for this session. */
export const isFormOf = (session: Session, csrf: string): boolean => {
  const given = Buffer.from(csrf)
  const expected = Buffer.from(session.csrf)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest()

const sign = (key: Buffer, text: string): string => hmac(key, text).toString("base64url")
