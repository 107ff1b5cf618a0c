import { expect, test } from "bun:test"
import { Effect, Either } from "effect"
import { localInstant, momentFlag, windowOn } from "../../src/Cli/TimeArgument.ts"

const NOW = Date.UTC(2026, 10, 20, 8, 12, 4)
const given = (flags: Readonly<Record<string, string>>) => ({
  positionals: [],
  has: (flag: string) => flag in flags,
  value: (flag: string) => flags[flag],
  values: (flag: string) => (flags[flag] === undefined ? [] : [flags[flag]])
})
const iso = (ms: number | undefined) =>
  ms === undefined ? undefined : new Date(ms).toISOString().replace(".000Z", "Z")
const moment = (text: string) =>
  Either.match(Effect.runSync(Effect.either(momentFlag(given({ since: text }), "since", NOW))), {
    onLeft: ({ message }) => message,
    onRight: iso
  })
const window = (flags: Readonly<Record<string, string>>, zone = "Europe/Oslo") =>
  Either.match(Effect.runSync(Effect.either(windowOn(given(flags), zone, NOW))), {
    onLeft: ({ errors: [first] }) => `${first.message}: ${first.hint}`,
    onRight: ({ from, to }) => [iso(from), iso(to)]
  })

test.each([
  ["2026-11-20 02:00 Europe/Oslo", "2026-11-20T01:00:00Z"],
  ["2026-11-20 Europe/Oslo", "2026-11-19T23:00:00Z"],
  ["2026-11-20T02:00:30 america/new_york", "2026-11-20T07:00:30Z"],
  ["2026-11-20 02:00 UTC", "2026-11-20T02:00:00Z"],
  ["90s", "2026-11-20T08:10:34Z"],
  ["7d", "2026-11-13T08:12:04Z"],
  ["yesterday", "2026-11-19T00:00:00Z"],
  ["2026-11-20T01:00:00+01:00", "2026-11-20T00:00:00Z"]
])("%s is %s", (text, instant) => {
  expect(moment(text)).toBe(instant)
})

test("an invalid time is rejected; a local time inside a DST gap becomes the first valid time after it", () => {
  for (const text of [
    "2026-11-20 02:00 Europe/Atlantis",
    "2026-02-30 02:00 Europe/Oslo",
    "2026-11-20 25:00 UTC",
    "someday",
    "2026-11-20 02:00"
  ]) {
    expect(moment(text)).toContain("this is not")
  }
  expect(iso(localInstant("2026-03-29 02:30 Europe/Oslo"))).toBe("2026-03-29T01:00:00Z")
})

test("a day is a day in the integration's time zone, even with a DST transition", () => {
  expect(window({ on: "yesterday" })).toEqual(["2026-11-18T23:00:00Z", "2026-11-19T23:00:00Z"])
  expect(window({ on: "today" }, "Pacific/Auckland")).toEqual([
    "2026-11-19T11:00:00Z",
    "2026-11-20T11:00:00Z"
  ])
  expect(window({ on: "Last Night" })).toEqual(["2026-11-19T17:00:00Z", "2026-11-20T11:00:00Z"])
  expect(window({ on: "2026-10-25" })).toEqual(["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"])
  expect(window({ on: "2026-11-19" }, "Nowhere/Land")).toEqual([
    "2026-11-19T00:00:00Z",
    "2026-11-20T00:00:00Z"
  ])
  expect(window({ from: "6h" })).toEqual(["2026-11-20T02:12:04Z", "2026-11-20T08:12:04.001Z"])
})

test("text that is not a time is rejected with an example", () => {
  expect(window({ on: "someday" })).toContain("Write yesterday, today")
  expect(window({ on: "today", from: "6h" })).toContain("Omit --from and --to.")
  expect(window({ from: "2026-11-20", to: "2026-11-19" })).toContain("not before --to")
})
