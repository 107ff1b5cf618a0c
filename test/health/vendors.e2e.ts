import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { start as BEGIN, type Ledger, openLedger } from "../sql/Ledger.ts"
import { startPostgres } from "../support/Postgres.ts"
import { serveVendors, type Vendor } from "../support/VendorFleet.ts"
import { Days, HOUR, MINUTE } from "./Days.ts"

// Simulates eleven accounting APIs for two days: one per provider, and one of an unknown provider. Prints the figures and checks
// them. Run with `bun run e2e ./test/health/vendors.e2e.ts`.

setDefaultTimeout(600_000)

const DAYS = 2
const TENANTS = 4
const T0 = Date.parse(BEGIN)
/** Once a day, all tenants of all vendors export at the same instant. */
const NIGHT = T0 + 2 * HOUR
const OUTAGE = [T0 + 8 * HOUR, T0 + 16 * HOUR] as const
const LONG_SYNC = [T0 + 20 * HOUR, T0 + 23 * HOUR] as const

let ledger: Ledger
let vendors: ReadonlyArray<Vendor>
let days: Days

const vendorOf = (type: string): Vendor => {
  const vendor = vendors.find((one) => one.type === type)
  if (vendor === undefined) throw new Error(type)
  return vendor
}
const hours = (ms: number): string => ((ms - T0) / HOUR).toFixed(2)
const gaps = (times: ReadonlyArray<number>): ReadonlyArray<number> =>
  times.slice(1).map((at, n) => (at - (times[n] ?? 0)) / MINUTE)

beforeAll(async () => {
  ledger = await openLedger(await startPostgres())
  await ledger.reset()
  vendors = serveVendors(() => days?.now ?? T0, 2)
  days = new Days(ledger, vendors)
  for (const vendor of vendors) {
    for (let n = 0; n < TENANTS; n++) await days.addTenant(vendor, NIGHT, 24 * HOUR)
  }
  // One tenant syncs every 10 minutes, so this API needs no probes.
  await days.addTenant(vendorOf("xero"), T0 + 10 * MINUTE, 10 * MINUTE)
  const long = await days.addTenant(vendorOf("tripletex"), LONG_SYNC[0], 1_000 * HOUR)
  for (let n = 0; n < DAYS * 24 * 60; n++) {
    const next = days.now + MINUTE
    vendorOf("fortnox").isDown = next >= OUTAGE[0] && next < OUTAGE[1]
    if (next === LONG_SYNC[0]) days.hold(long, LONG_SYNC[1] - LONG_SYNC[0])
    await days.minute()
  }
}, 600_000)
afterAll(async () => {
  await days.close()
  await Promise.all(vendors.map(({ close }) => close()))
  await ledger.close()
})

describe("two simulated days of eleven APIs", () => {
  test("the figures are printed", () => {
    const rows = vendors.map(({ host, probes, syncs, throttled, type }) => {
      const watched = days.watched.get(host)
      const between = gaps(probes)
      return {
        vendor: type,
        syncs: syncs.length,
        throttled,
        probes: probes.length,
        "least gap, min": between.length === 0 ? null : Math.min(...between),
        "concurrent, free": watched?.peak,
        "concurrent, throttled": watched?.peakAfterThrottle,
        held: watched?.modes
          .filter(([, mode], n, all) => mode !== (all[n - 1]?.[1] ?? "active"))
          .map(([at, mode]) => `${mode} ${hours(at)}`)
          .join(", ")
      }
    })
    console.table(rows)
    const monthly = (vendorOf("xledger").probes.length / DAYS) * 30
    expect(monthly).toBeLessThan(800)
    console.log(
      `Xledger: ${monthly} probes a month, ${((monthly / 5_000) * 100).toFixed(1)} % of the 5,000 requests included`
    )
    console.log(
      `Fortnox, down from ${hours(OUTAGE[0])} to ${hours(OUTAGE[1])} h: probes at ${vendorOf(
        "fortnox"
      )
        .probes.filter((at) => at >= OUTAGE[0] - HOUR && at <= OUTAGE[1] + 3 * HOUR)
        .map(hours)
        .join(", ")} h`
    )
    expect(rows).toHaveLength(11)
  })

  test("two probes of an API are at least 15 minutes apart", () => {
    for (const { probes } of vendors) {
      expect(Math.min(...gaps(probes), 15)).toBeGreaterThanOrEqual(15)
    }
  })

  test("an API that syncs reach all the time is never probed", () => {
    expect(vendorOf("xero").probes.length).toBeLessThanOrEqual(1)
  })

  test("every vendor's throttling is recognised: its API is held immediately, not probed during the wait, and then released", () => {
    for (const { host, probes, throttled, type } of vendors) {
      expect([type, throttled > 0]).toEqual([type, true])
      const modes = days.watched.get(host)?.modes ?? []
      const entered = modes.find(([at, mode]) => at >= NIGHT && mode === "held")
      expect([type, entered?.[0]]).toEqual([type, NIGHT])
      const [from = 0] = entered ?? []
      const left = modes.find(([at, mode]) => at > from && mode !== "held")?.[0] ?? Number.NaN
      expect(left - from).toBeGreaterThanOrEqual(MINUTE)
      expect(probes.filter((at) => at >= from && at < left)).toEqual([])
    }
  })

  test("runs of a throttled API start one at a time, and none is lost", async () => {
    for (const { peakAfterThrottle } of days.watched.values())
      expect(peakAfterThrottle).toBeLessThanOrEqual(1)
    const runs = await ledger.rows(
      "select status, count(*)::int as n from public.sync_run_log group by status"
    )
    const nights = vendors.length * TENANTS * DAYS
    const others = DAYS * 24 * 6 + 1
    const total = runs.reduce((sum, { n }) => sum + Number(n), 0)
    expect(total).toBeGreaterThanOrEqual(nights + others - 2)
    expect(runs.filter(({ status }) => status !== "completed")).toEqual([])
    const delayed = await ledger.rows(
      "select count(distinct run_id)::int as n from public.sync_run_event where kind = 'delayed' and reason is not null"
    )
    console.log(`runs: ${JSON.stringify(runs)}, delayed with a reason: ${delayed[0]?.n}`)
  })

  test("during an outage probes become rarer, up to two hours apart, and an incident opens and is resolved", async () => {
    const probes = vendorOf("fortnox").probes.filter((at) => at >= OUTAGE[0] && at < OUTAGE[1])
    const curve = gaps(probes)
    for (const [n, least] of [15, 30, 60, 120, 120].entries()) {
      const gap = curve[n]
      if (gap === undefined) continue
      expect(gap).toBeGreaterThanOrEqual(least)
      expect(gap).toBeLessThanOrEqual(least * 1.2 + 1)
    }
    expect(curve.length).toBeGreaterThanOrEqual(4)
    const incidents = await ledger.rows(
      `select resolved_at is not null as over from public.sync_incident
        where kind = 'health' and subject = 'fortnox/${vendorOf("fortnox").host}/health' and detail ->> 'status' = 'unhealthy'`
    )
    expect(incidents).toEqual([{ over: true }])
  })

  test("no probe is sent while a sync of the API runs", () => {
    const { probes } = vendorOf("tripletex")
    expect(probes.filter((at) => at >= LONG_SYNC[0] && at < LONG_SYNC[1])).toEqual([])
    expect(probes.filter((at) => at >= LONG_SYNC[1]).length).toBeGreaterThan(0)
  })
})
