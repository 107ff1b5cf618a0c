import { expect, test } from "bun:test"
import { jsonbSafe, jsonbSafeText } from "../../src/Database/JsonbSafe.ts"

test("plain JSON is unchanged", () => {
  const value = { a: [1, "å", null, { b: true }] }
  expect(jsonbSafe(value)).toBe(value)
})

test("characters that jsonb cannot store are replaced; an escaped backslash is kept", () => {
  expect(jsonbSafe({ a: "x\u0000y", b: "\ud800", c: "\\u0000" })).toEqual({
    a: "x\ufffdy",
    b: "\ufffd",
    c: "\\u0000"
  })
})

test("a complete surrogate pair is kept", () => expect(jsonbSafe("🙂")).toBe("🙂"))

test("undefined becomes null", () => expect(jsonbSafe(undefined)).toBe(null))

test("text is truncated by bytes, between characters", () => {
  expect(jsonbSafeText("å".repeat(2000), 2048).length).toBe(1024)
  expect(jsonbSafeText("🙂🙂", 5)).toBe("🙂")
  expect(jsonbSafeText("a\u0000b", 10)).toBe("a\ufffdb")
})
