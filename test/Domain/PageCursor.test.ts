import { describe, expect, it } from "bun:test"
import { elsewhere } from "../../src/Domain/PageCursor.ts"

describe("elsewhere among what is due at the same instant", () => {
  const slot = Date.parse("2026-11-25T02:00:00.000Z")

  it.each([
    [0, "2026-11-25T02:00:00.000Z|00000000-0000-0000-0000-000000000000"],
    [0.5, "2026-11-25T02:00:00.000Z|80000000-0000-0000-0000-000000000000"],
    [0.9999999999, "2026-11-25T02:00:00.000Z|ffffffff-0000-0000-0000-000000000000"]
  ])("%p of the way", (random, cursor) => {
    expect(elsewhere(slot, random)).toBe(cursor)
  })
})
