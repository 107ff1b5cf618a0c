import { describe, expect, test } from "bun:test"
import { zoneFindings } from "../../src/Cli/Doctor/ZoneData.ts"
import { runtimeData } from "../../src/Cli/RuntimeData.ts"
import type { Diagnosis } from "../../src/Database/DiagnosisRpc.ts"

const NOW = Date.UTC(2026, 10, 29)
const DAY = 86_400_000
const versions = { bun: "1.4.5", icu: "78.3" }
type Zones = NonNullable<Diagnosis["zones"]>

const findings = (zones: Zones) => {
  const nothing = { role: "r", server_version: "18", read_only: false, catalog: [] }
  return zoneFindings({ now: NOW, ...nothing, zones } as unknown as Diagnosis, versions)
}

const at = (iso: string) => Date.parse(iso)
/** DST starts on 28 March 2027 at 01:00 UTC and ends on 31 October. The samples are six hours apart. */
const OSLO = [
  [NOW, 3600],
  [at("2027-03-28T06:00Z"), 7200],
  [at("2027-10-31T06:00Z"), 3600]
] as const

describe("the zone data of the program and of the database", () => {
  test("have no difference when their rules agree", () => {
    expect(findings([{ timezone: "Europe/Oslo", count: 3, offsets: [...OSLO] }])).toMatchObject([
      { level: "ok", what: expect.stringContaining("Bun 1.4.5, time zones of ICU 78.3") }
    ])
  })

  test("differ when one of them keeps a zone on DST: the report says when, by how much and for which integrations", () => {
    const offsets = OSLO.slice(0, 2).map(([from, ahead]) => [from, ahead] as const)
    const zones = [
      { timezone: "Europe/Oslo", count: 12, offsets },
      { timezone: "UTC", count: 1, offsets: [[NOW, 0] as const] }
    ]
    expect(findings(zones)).toMatchObject([
      {
        level: "warning",
        code: "ZONE_DATA_DIFFER",
        what: "Europe/Oslo (12 integrations) is UTC+01:00 here and UTC+02:00 in the database from 2027-10-31 on"
      }
    ])
  })

  test("differ when a transition is on another day, or when the offset has always been another", () => {
    const moved = [OSLO[0], [at("2027-04-04T06:00Z"), 7200], OSLO[2]] as const
    expect(findings([{ timezone: "Europe/Oslo", count: 1, offsets: [...moved] }])).toMatchObject([
      { what: expect.stringMatching(/^Europe\/Oslo \(1 integration\) .* from 2027-03-28 on$/) }
    ])
    const other = [[NOW - DAY / 2, -16_200] as const]
    expect(findings([{ timezone: "America/Caracas", count: 1, offsets: other }])).toMatchObject([
      {
        what: expect.stringContaining(
          "UTC-04:00 here and UTC-04:30 in the database from 2026-11-29"
        )
      }
    ])
  })

  test("have no difference for a name that PostgreSQL reads as an abbreviation without DST", () => {
    expect(findings([{ timezone: "CET", count: 1, offsets: [[NOW, 3600]] }])[0]?.level).toBe("ok")
  })

  test("have no difference for a zone that one of them lacks, which another check reports", () => {
    expect(findings([{ timezone: "Europe/Oslo", count: 1, offsets: null }])[0]?.level).toBe("ok")
    expect(findings([{ timezone: "No/Where", count: 1, offsets: [[NOW, 0]] }])[0]?.level).toBe("ok")
    expect(zoneFindings({ zones: null } as unknown as Diagnosis, versions)).toEqual([])
  })
})

test("the release of the zone data is known where the runtime provides it", () => {
  expect(runtimeData({ node: "24.1.0", icu: "77.1", tz: "2025b" })).toBe(
    "Node.js 24.1.0, time zones 2025b (ICU 77.1)"
  )
  expect(runtimeData(process.versions)).toMatch(/^Bun [\d.]+, time zones .*\d/)
})
