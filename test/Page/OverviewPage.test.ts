import { describe, expect, test } from "bun:test"
import { APPEARANCE, compare, type StateName, StateName as States } from "../../src/Domain/State.ts"
import type { IntegrationState } from "../../src/Operator/Overview.ts"
import { overviewPage } from "../../src/Page/OverviewPage.ts"
import { frame, HOUR, integrationOf, matterOf, NOW, overviewOf, runOf, uuid } from "./Fixtures.ts"

const page = (
  integrations: ReadonlyArray<IntegrationState>,
  query = "",
  state: StateName | null = null
): string => overviewPage({ ...frame, query }, matterOf(overviewOf(integrations), { state }))

const FAILED = runOf({ status: "failed", http_status: 401, error_code: "KEY_REFUSED" })
const troubled = (): ReadonlyArray<IntegrationState> =>
  [
    integrationOf(1),
    integrationOf(2, { last_run: FAILED, consecutive_failures: 4, failing_since: NOW - 4 * HOUR }),
    integrationOf(3, { next_run_at: NOW - HOUR }),
    integrationOf(4, { enabled: false, paused_reason: "moving" }),
    integrationOf(5, { last_run: null, last_completed_slot: null }),
    integrationOf(6, {
      schedule: "61 * * * *",
      schedule_error: "minute must be 0-59",
      next_run_at: null
    }),
    integrationOf(7, { live_run: runOf({ status: "running", lease_until: NOW + HOUR }) }),
    integrationOf(8, { live_run: runOf({ status: "unknown", not_before: NOW + HOUR }) }),
    integrationOf(9, { breaker_until: NOW + HOUR, consecutive_failures: 10 }),
    integrationOf(10, { last_run: runOf({ drift_ms: 600_000 }) })
  ].toSorted(compare)

describe("the overview", () => {
  test("lists the worst first, each state with its word and its shape", () => {
    const text = page(troubled())
    const rows = [
      ...text.matchAll(
        /<tr id="i-([^"]+)"><td><span class="state (\w+)"><svg[^>]*><use href="#s-(\w+)"\/><\/svg>([^<]+)/g
      )
    ]
    expect(rows.map(([, , state]) => state)).toEqual(
      States.literals.filter((state) => state !== "stale")
    )
    expect(new Set(rows.map(([, , , shape]) => shape)).size).toBe(10)
    expect(rows.map(([, , , , word]) => word?.toLowerCase())).toEqual(
      States.literals.filter((state) => state !== "stale").map((state) => APPEARANCE[state].word)
    )
    expect(text).toContain("<h1>6 of 10 integrations need attention</h1>")
    expect(text.match(/<symbol id="s-/g)?.length).toBeGreaterThan(10)
  })

  test("says since when and why where somebody is needed, and when each ran and runs next with the zone", () => {
    const text = page(troubled())
    expect(text).toContain("4 times in a row: HTTP 401 KEY_REFUSED")
    expect(text).toContain('since <time datetime="2026-11-24T04:12:04Z">05:12:04 CET</time>')
    expect(text).toContain(
      '<time datetime="2026-11-24T09:12:04Z">10:12:04 CET</time><span class="sub">in 1 h</span>'
    )
    expect(text).toContain("+1.2 s, took 41.0 s")
    // A slot of the past is never shown as one to come.
    expect(text).toContain("was due 1 h ago")
  })

  test("all is well: it says so, and in green", () => {
    const text = page([integrationOf(1), integrationOf(2)])
    expect(text).toContain("<title>Everything is on time · Sync Scheduler</title>")
    expect(text).toMatch(/href="\/assets\/good\./)
    expect(text).not.toContain("Needs attention")
  })

  test("a dead scheduler looks dead, whatever the integrations were like", () => {
    const dead = overviewOf([integrationOf(1, {}, "stopped")], {
      verdict: "stopped",
      pulse: "ticks have stopped: no sign of life for 2 h"
    })
    const text = overviewPage(frame, matterOf(dead))
    expect(text).toContain("<title>The scheduler has stopped · Sync Scheduler</title>")
    expect(text).toMatch(/<html [^>]*class="old"/)
    expect(text).toMatch(/href="\/assets\/bad\./)
    expect(text).toContain('class="dead">Ticks have stopped: no sign of life for 2 h')
    expect(text).not.toMatch(/<td><span class="state on_time"/)
    expect(overviewPage(frame, matterOf(overviewOf([], { verdict: "never" })))).toContain(
      "No engine has ticked yet"
    )
  })

  test("names are text, however hostile, and shown apart from the text around them", () => {
    const hostile = `<img src=x onerror=alert(1)>"'&\u202e`
    const text = page(
      [
        integrationOf(1, { org_name: hostile, integration_type: hostile, schedule: hostile }),
        integrationOf(2, {
          org_name: hostile,
          last_run: runOf({ status: "failed", error_message: hostile })
        }),
        integrationOf(3, { org_name: "x".repeat(5_000) }),
        integrationOf(4, { org_name: null })
      ],
      hostile
    )
    expect(text).not.toContain("<img")
    expect(text).toContain("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\u202e</bdi>")
    expect(text).not.toContain("x".repeat(100))
    const all = page([integrationOf(4, { org_name: null })])
    expect(all).toContain(uuid(10_004).slice(0, 8))
    // Nothing that a strict policy refuses.
    expect(text).not.toMatch(/<style|<script(?! src="\/assets\/)| style="| on\w+="/)
  })

  test("search and state leave the counts, and list what is meant", () => {
    const list = [
      integrationOf(1, { org_name: "Nordlys" }),
      integrationOf(2, { org_name: "Globex", last_run: FAILED, consecutive_failures: 2 }),
      integrationOf(3, { org_name: "Initech" })
    ]
    const rowsOf = (text: string) => [...text.matchAll(/<tr id="i-[^"]+(\d)"/g)].map(([, n]) => n)
    expect(rowsOf(page(list, "nord"))).toEqual(["1"])
    expect(rowsOf(page(list, " XLEDGER "))).toEqual(["1", "2", "3"])
    expect(rowsOf(page(list, uuid(10_003).slice(0, 36)))).toEqual(["3"])
    expect(rowsOf(page(list, "", "failing"))).toEqual(["2"])
    expect(page(list, "nord")).toContain("1 of 3 integrations")
    expect(page(list, "nord")).toContain("<h1>1 of 3 integrations needs attention</h1>")
    expect(page(list, "no such")).toContain("No integration matches.")
    expect(page([])).toContain("No integrations yet")
  })

  test("a percentage is never rounded up to all, and figures that were cut say so", () => {
    const text = page([integrationOf(1)])
    expect(text).toContain(
      '<p class="big">99.7<small> %</small></p><p class="note">1,493 of 1,497 slots: 3 failed, 1 passed over</p>'
    )
    expect(text).toContain("Most from 10:00 CET on: 212")
    expect(text).toContain("<dt>max</dt><dd>12 m 04 s</dd>")
    const day = {
      day: "2026-11-24",
      runs: 10_000,
      failed: 2,
      unknown: 0,
      passed_over: 0,
      capped: true
    }
    const cut = matterOf(overviewOf([integrationOf(1)]))
    const figures = { ...cut.figures, days: [day] }
    expect(overviewPage(frame, { ...cut, figures })).toContain(
      "2 failed, of more than 10,000 slots"
    )
  })

  test("a thousand integrations: under a megabyte, each of them on the page", () => {
    const many = Array.from({ length: 1_000 }, (_, n) =>
      integrationOf(n, {
        org_name: `Organisation number ${n}, a name longer than most of those that people choose`,
        integration_type: "dynamics-business-central"
      })
    )
    const runs = Array.from({ length: 96 }, (_, n) => {
      const slot = NOW - n * 15 * 60_000
      return [
        slot,
        n % 50 === 7 ? "failed" : "completed",
        slot + 900,
        slot + 42_000,
        1,
        uuid(n)
      ] as const
    }).reverse()
    const activity = {
      now: NOW,
      from: NOW - 24 * HOUR,
      to: NOW,
      integrations: many.map(({ integration_id }) => ({
        integration_id,
        truncated: false,
        runs,
        ranges: []
      }))
    }
    const text = overviewPage(frame, matterOf(overviewOf(many), { activity }))
    expect(Buffer.byteLength(text)).toBeLessThan(1_000_000)
    expect(text.match(/<tr id="i-/g)?.length).toBe(1_000)
    expect(text.match(/class="strip"/g)?.length).toBe(150)
  })
})
