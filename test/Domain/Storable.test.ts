import { expect, test } from "bun:test"
import { storable, storableText } from "../../src/Domain/Storable.ts"

test("plain JSON passes as it is", () => {
  const value = { a: [1, "å", null, { b: true }] }
  expect(storable(value)).toBe(value)
})

test("what jsonb cannot store is replaced, an escaped backslash before it is not touched", () => {
  expect(storable({ a: "x\u0000y", b: "\ud800", c: "\\u0000" })).toEqual({
    a: "x\ufffdy",
    b: "\ufffd",
    c: "\\u0000"
  })
})

test("a whole surrogate pair is kept", () => expect(storable("🙂")).toBe("🙂"))

test("undefined becomes null", () => expect(storable(undefined)).toBe(null))

test("text is cut between characters, by bytes", () => {
  expect(storableText("å".repeat(2000), 2048).length).toBe(1024)
  expect(storableText("🙂🙂", 5)).toBe("🙂")
  expect(storableText("a\u0000b", 10)).toBe("a\ufffdb")
})
