import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Alert, messagesOf } from "../../src/Domain/Alert.ts"
import { linesOf, summaryOf, textOf } from "../../src/Domain/AlertText.ts"
import { alertOf, batchOf, slot } from "../support/alerts.ts"

const TABLES = join(import.meta.dir, "../../supabase/migrations/20261129000100_tables.sql")

const opened = (kind: string, more: Partial<Alert> = {}) => textOf(alertOf({ kind, ...more }))

describe("an alert in words", () => {
  test("a late start names the integration, the due time, the delay, the reason and the next step", () => {
    expect(linesOf(opened("drift"))).toBe(
      `A sync started 7 m 12 s late (xledger 1a000000-0000-4000-8000-000000000001)
Integration: xledger 1a000000-0000-4000-8000-000000000001
Organisation: 0a000000-0000-4000-8000-000000000001
Schedule: 0 2 * * 1-5 (Europe/Oslo)
Due: 2026-11-24 02:00 UTC
Late by: 7 m 12 s
Since: 2026-11-24 02:07:12 UTC
Why: No engine ticked between 2026-11-24 02:00 UTC and 2026-11-24 02:07:10 UTC.
Next: sync-scheduler explain 0a000000-0000-4000-8000-000000000001`
    )
  })

  test("the reason of a late start says whether engines ticked, as far as that is known", () => {
    const { run } = alertOf({})
    if (run === null) throw new Error("no run")
    const why = (first_tick_at: number | null) =>
      opened("drift", { run: { ...run, first_tick_at } }).why
    expect(why(slot + 1_000)).toStartWith("Engines ticked in time, but the run waited")
    expect(why(null)).toBe("No tick is on record between the slot and the start.")
    expect(opened("drift", { run: null, detail: { drift_ms: 432_000 } })).toMatchObject({
      title: expect.stringContaining("7 m 12 s late"),
      why: "No cause is recorded."
    })
  })

  test("a resolved alert says when it ended and how long it lasted", () => {
    const over = alertOf({ transition: "resolved", resolved_at: slot + 3_600_000 })
    const text = textOf(over)
    expect(text.title).toStartWith("Resolved: the syncs start on time again (xledger")
    expect(text.facts).toContainEqual(["Until", "2026-11-24 03:00 UTC, 52 m 48 s"])
    expect(text.next).toBe("Nothing to do.")
    expect(textOf({ ...over, announced: false }).why).toEndWith(
      "The incident closed before an alert about it could be sent."
    )
  })

  test.each([
    [
      "missed",
      { count: 3, from: "A", to: "B", reason: "superseded" },
      "3 slots from A to B were not run: only the newest missed slot is run (catch_up = latest)."
    ],
    ["missed", {}, "Some slots from ? to ? were not run: no reason is recorded."],
    [
      "unknown",
      { error_code: "LEASE_ENDED", error_message: "No outcome." },
      "LEASE_ENDED: No outcome."
    ],
    [
      "schedule_error",
      { error: "61 is no minute", schedule: "61 * * * *", timezone: "UTC" },
      "61 is no minute (schedule 61 * * * *, zone UTC)."
    ],
    [
      "breaker",
      { consecutive_failures: 5, until: "T", error_code: "TOKEN" },
      "5 failures in a row; the last one: TOKEN. The sync is not retried before T."
    ],
    [
      "clock_skew",
      { clock_skew_ms: -7_500 },
      "The database's clock decides when syncs are due, so they start on time; this engine's deadlines and log times are wrong."
    ],
    [
      "rescued",
      { claimed_at: "T", adopted_by: "e2" },
      "subject claimed the run at T but never started it; e2 started it instead. Nothing was lost."
    ],
    ["rejected", { error: "23514: too long" }, "23514: too long"],
    [
      "stuck",
      { ticks: 3, since: "T", reason: "locked" },
      "3 ticks since T skipped the slot: another session holds its lock (locked)."
    ],
    ["cold_start", { warm_up_ms: 2_400 }, "The first call took 2.4 s."],
    ["health", {}, "Its health check failed."],
    ["test", {}, "An operator ran sync-scheduler notify test."],
    ["flood", {}, "See the incident's detail in sync_incident."]
  ])("the reason of %s is %p", (kind, detail, why) => {
    expect(opened(kind, { detail, run: null, subject: "subject" }).why).toBe(why)
  })

  test("every kind has a title, a reason and a next step for both transitions", () => {
    const tables = readFileSync(TABLES, "utf8")
    const [, known = ""] = /kind text not null check \(kind in \(([^)]*)\)/.exec(tables) ?? []
    const kinds = [...known.matchAll(/'(\w+)'/g)].map(([, kind = ""]) => kind)
    expect(kinds).toContain("retrying")
    for (const kind of [...kinds, "test", "new"]) {
      for (const transition of ["opened", "resolved"] as const) {
        const text = opened(kind, { transition, integration: null, run: null, resolved_at: slot })
        expect(text.title.length).toBeGreaterThan(10)
        expect(text.why.length).toBeGreaterThan(5)
        expect(text.next.length).toBeGreaterThan(5)
        expect(linesOf(text)).not.toMatch(/undefined|NaN|null/)
      }
    }
  })

  test("keys in a function's error are removed", () => {
    const detail = { error_message: "Bearer abcdefgh.ijk refused at https://x.example/a?token=1" }
    const { why } = opened("unknown", { run: null, detail })
    expect(why).toBe("Bearer *** refused at https://x.example/a")
  })
})

describe("messages", () => {
  test("five alerts are five messages, and six alerts are one message", () => {
    expect(messagesOf(batchOf(5)).map(({ _tag, incidentIds }) => [_tag, incidentIds])).toEqual(
      [1, 2, 3, 4, 5].map((id) => ["One", [id]])
    )
    expect(messagesOf(batchOf(6))).toMatchObject([
      { _tag: "Many", incidentIds: [1, 2, 3, 4, 5, 6] }
    ])
    expect(messagesOf(batchOf(0))).toEqual([])
  })

  test("a summary counts alerts by kind, and lists ten", () => {
    const text = summaryOf({ ...batchOf(12), kinds: { drift: 4, clock_skew: 8 } })
    expect(text.title).toBe("12 incidents: 12 opened, 0 closed")
    expect(text.facts).toEqual([["Kinds", "8 clock skew, 4 drift"]])
    expect(text.why.split("\n").length).toBe(11)
    expect(text.why).toEndWith("... and 2 more")
  })
})
