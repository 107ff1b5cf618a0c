import { expect, test } from "bun:test"
import { Option } from "effect"
import { wallClock } from "../../src/Domain/Schedule/WallClock.ts"
import { onEachServer, start } from "./Ledger.ts"

const ZONES = ["UTC", "Europe/Oslo", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]

onEachServer("zone_offsets", (ledger) => {
  const offsets = async (zone: string): Promise<unknown> => {
    const [row] = await ledger().sql`
      select sync_scheduler.zone_offsets(${zone}, ${start}::timestamptz) as offsets`
    return row.offsets
  }

  test("returns an entry for each offset change of the year, at the first six-hour step after it", async () => {
    for (const zone of ZONES) {
      const clock = Option.getOrThrow(wallClock(zone))
      const from = Date.parse(`${start.slice(0, 10)}T00:00:00Z`)
      const expected: Array<readonly [number, number]> = []
      for (let at = from; at <= Date.parse(start) + 366 * 86_400_000; at += 6 * 3_600_000) {
        const ahead = clock.offsetPeriodAt(at).offset / 1_000
        if (expected.at(-1)?.[1] !== ahead) expected.push([at, ahead])
      }
      expect([zone, await offsets(zone)]).toEqual([zone, expected])
    }
  })

  test("returns null for a zone that the database does not know", async () => {
    expect(await offsets("No/Where")).toBeNull()
    expect(await offsets("")).toBeNull()
  })
})
