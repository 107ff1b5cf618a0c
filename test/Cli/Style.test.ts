import { expect, test } from "bun:test"
import * as fc from "effect/FastCheck"
import { escapeJson, safe } from "../../src/Cli/Style.ts"

const RISKY = {
  "bidi override": "\u202e",
  "bidi isolate": "\u2066",
  "left-to-right mark": "\u200e",
  "Arabic letter mark": "\u061c",
  "C1 control sequence": "\u009b31m",
  "C1 next line": "\u0085",
  delete: "\u007f",
  "zero width space": "\u200b",
  "soft hyphen": "\u00ad",
  "byte order mark": "\ufeff",
  "line separator": "\u2028",
  "Hangul filler": "\u3164",
  tag: "\u{e0041}",
  "invisible times": "\u2062"
}

test.each(Object.entries(RISKY))(
  "%s is escaped in JSON and becomes a space in text",
  (_name, text) => {
    const value = { [`a${text}`]: `b${text}c` }
    const json = escapeJson(JSON.stringify(value, null, 2))
    expect(json).not.toContain([...text][0] ?? "")
    expect(JSON.parse(json)).toEqual(value)
    expect(json.split("\n")).toHaveLength(3)
    expect(safe(`b${text}c`)).toBe(`b ${text.slice([...text][0]?.length)}c`)
  }
)

test("text with unusual but harmless characters is unchanged", () => {
  const text = "Ærlig AS ✓ 東京 👩‍🚀 ❤️ می‌خواهم"
  expect(safe(text)).toBe(text)
  expect(escapeJson(JSON.stringify("Ærlig AS ✓ 東京"))).toBe('"Ærlig AS ✓ 東京"')
})

test("JSON keeps its value, and contains no invisible characters", () => {
  const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
  const text = fc.string({ unit: "binary" })
  fc.assert(
    fc.property(fc.dictionary(text, fc.array(text)), (value) => {
      const plain = JSON.stringify(value)
      const json = escapeJson(plain)
      expect(JSON.parse(json)).toEqual(JSON.parse(plain))
      expect(json).not.toMatch(unseen)
    })
  )
})
