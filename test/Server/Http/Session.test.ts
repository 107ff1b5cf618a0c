import { expect, test } from "bun:test"
import { Redacted } from "effect"
import { isFormOf, makeSessions } from "../../../src/Server/Http/Session.ts"

const NOW = Date.UTC(2026, 10, 24, 2)
const HOURS = 3_600_000
const token = "0123456789abcdef-token"
const sessions = makeSessions(Redacted.make(token))

test("the token gives a session of twelve hours under the given name", () => {
  const { seconds, value } = sessions.issue("Åse <b>; Max-Age=1", NOW)
  expect(seconds).toBe(43_200)
  expect(value).toMatch(/^[\w.-]+$/)
  expect(sessions.read(value, NOW + 11 * HOURS)?.actor).toBe("Åse <b>; Max-Age=1")
  expect(sessions.read(value, NOW + 12 * HOURS)).toBeNull()
})

test("a changed cookie is invalid, and no cookie contains the token", () => {
  const { value } = sessions.issue("Kari", NOW)
  expect(value).not.toContain(token)
  for (let at = 0; at < value.length; at += 1) {
    const changed = value.slice(0, at) + (value[at] === "a" ? "b" : "a") + value.slice(at + 1)
    const session = sessions.read(changed, NOW)
    // Decoders ignore some bits of the last base64url character, so the session is compared as text, not as bytes.
    expect(session).toBeNull()
  }
  for (const bad of [
    "",
    ".",
    "..",
    "a.b.c",
    `${value}.`,
    `${value}a`,
    value.slice(1),
    "x".repeat(9_999)
  ]) {
    expect(sessions.read(bad, NOW)).toBeNull()
  }
})

test("a cookie is valid in every replica with the same token, and nowhere else", () => {
  const { value } = sessions.issue("Kari", NOW)
  expect(makeSessions(Redacted.make(token)).read(value, NOW)?.actor).toBe("Kari")
  expect(makeSessions(Redacted.make(`${token}2`)).read(value, NOW)).toBeNull()
})

test("only the exact token is accepted", () => {
  expect(sessions.isToken(token)).toBe(true)
  for (const wrong of ["", token.slice(1), `${token} `, token.toUpperCase()]) {
    expect(sessions.isToken(wrong)).toBe(false)
  }
})

test("a form is valid only in its session", () => {
  const one = sessions.read(sessions.issue("Kari", NOW).value, NOW)
  const other = sessions.read(sessions.issue("Kari", NOW + 1).value, NOW + 1)
  if (one === null || other === null) throw new Error("no session")
  expect(isFormOf(one, one.csrf)).toBe(true)
  for (const wrong of [other.csrf, "", one.csrf.slice(1), `${one.csrf}a`]) {
    expect(isFormOf(one, wrong)).toBe(false)
  }
})
