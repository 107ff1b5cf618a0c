import { expect, test } from "bun:test"
import {
  moment,
  showDateTime,
  showDistance,
  showSpan
} from "../../../src/Server/Pages/TimeFormat.ts"

const now = Date.parse("2026-11-24T08:12:04Z")
const at = (text: string): number => Date.parse(text)

test("a time is shown in its own zone, as short as possible without ambiguity", () => {
  const oslo = (text: string): string => showDateTime(at(text), "Europe/Oslo", now)
  expect(oslo("2026-11-24T01:00:00Z")).toBe("02:00 CET")
  expect(oslo("2026-11-24T01:00:07.250Z")).toBe("02:00:07 CET")
  expect(oslo("2026-11-22T23:30:00Z")).toBe("yesterday 00:30 CET")
  expect(oslo("2026-11-24T23:30:00Z")).toBe("tomorrow 00:30 CET")
  expect(oslo("2026-11-20T01:00:00Z")).toBe("Fri 02:00 CET")
  expect(oslo("2026-10-20T00:00:00Z")).toBe("20 Oct 02:00 CEST")
  expect(oslo("2025-10-31T01:00:00Z")).toBe("31 Oct 2025 02:00 CET")
  expect(showDateTime(at("2026-11-24T08:00:00Z"), "America/New_York", now)).toBe("03:00 EST")
  expect(showDateTime(at("2026-11-24T08:00:00Z"), "Asia/Tokyo", now)).toBe("17:00 GMT+9")
  expect(showDateTime(at("2026-11-24T08:00:00Z"), "Nowhere/Land", now)).toBe("08:00 UTC")
})

test("the markup contains the exact UTC time", () => {
  expect(moment(at("2026-11-24T01:00:00Z"), "Europe/Oslo", now).markup).toBe(
    '<time datetime="2026-11-24T01:00:00Z">02:00 CET</time>'
  )
})

test("durations and distances are short", () => {
  expect([0, 4_200, 59_999, 725_000, 12_000_000, 187_200_000].map(showSpan)).toEqual([
    "0 s",
    "4 s",
    "59 s",
    "12 m",
    "3 h 20 m",
    "2 d 4 h"
  ])
  expect(showDistance(now - 4_000, now)).toBe("4 s ago")
  expect(showDistance(now + 180_000, now)).toBe("in 3 m")
  expect(showDistance(now, now)).toBe("now")
})
