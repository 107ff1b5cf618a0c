import { describe, expect, test } from "bun:test"
import {
  APPEARANCE,
  compareStates,
  type StateName,
  StateName as States
} from "../../../src/Domain/State.ts"
import type { IntegrationState } from "../../../src/Operator/IntegrationState.ts"
import { NO_FILTER, readFilter } from "../../../src/Server/Pages/ListFilter.ts"
import { overviewPage } from "../../../src/Server/Pages/OverviewPage.ts"
import {
  dayOf,
  frame,
  HOUR,
  integrationOf,
  matterOf,
  NOW,
  overviewOf,
  runOf,
  uuid
} from "./Fixtures.ts"

const page = (
  integrations: ReadonlyArray<IntegrationState>,
  query = "",
  state: StateName | null = null
): string =>
  overviewPage(
    { ...frame, query },
    matterOf(overviewOf(integrations), { filter: { ...NO_FILTER, query, state } })
  )

const LAG = { runs: 3, p50_ms: 1_200, p95_ms: 2_500, max_ms: 724_000, sampled: false }
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
    integrationOf(9, { live_run: runOf({ status: "pending", not_before: NOW + HOUR }) }),
    integrationOf(10, { last_run: runOf({ drift_ms: 600_000 }) })
  ].toSorted(compareStates)

describe("the overview", () => {
  test("lists the worst first, each state with its word and shape", () => {
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

  test("shows since when and why each integration needs attention, and its last and next run with the zone", () => {
    const text = page(troubled())
    expect(text).toContain("4 times in a row: HTTP 401 KEY_REFUSED")
    expect(text).toContain('since <time datetime="2026-11-24T04:12:04Z">05:12:04</time>')
    expect(text).toContain(
      '<time datetime="2026-11-24T09:12:04Z">10:12:04</time><span class="sub">in 1 h</span>'
    )
    expect(text).toContain("+1.2 s, took 41.0 s")
    expect(text).toContain("was due 1 h ago")
  })

  test("is green and says so when all is well", () => {
    const text = page([integrationOf(1), integrationOf(2)])
    expect(text).toContain("<title>All 2 on time · Sync Scheduler</title>")
    expect(text).toMatch(/href="\/assets\/good\./)
    expect(text).not.toContain("Needs attention")
  })

  test("shows a stopped scheduler as stopped, whatever the states of the integrations", () => {
    const dead = overviewOf([integrationOf(1, {}, "stopped")], {
      verdict: "stopped",
      heartbeat: "ticks have stopped: no sign of life for 2 h"
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

  test("shows hostile names as text, isolated from their surroundings", () => {
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
    // A strict content security policy would block inline styles, scripts and event handlers.
    expect(text).not.toMatch(/<style|<script(?! src="\/assets\/)| style="| on\w+="/)
  })

  test("keeps the counts when a search or state is selected, and lists the matches", () => {
    const list = [
      integrationOf(1, { org_name: "Nordlys" }),
      integrationOf(2, { org_name: "Globex", last_run: FAILED, consecutive_failures: 2 }),
      integrationOf(3, { org_name: "Initech" })
    ]
    const rowsOf = (text: string) => [...text.matchAll(/<tr id="i-[^"]+(\d)"/g)].map(([, n]) => n)
    expect(rowsOf(page(list, "nord"))).toEqual(["1"])
    expect(rowsOf(page(list, " XLEDGER "))).toEqual(["2", "1", "3"])
    expect(rowsOf(page(list, uuid(10_003).slice(0, 36)))).toEqual(["3"])
    expect(rowsOf(page(list, "", "failing"))).toEqual(["2"])
    expect(page(list, "nord")).toContain("1 of 3 integrations")
    expect(page(list, "nord")).toContain("<h1>1 of 3 failing: HTTP 401 KEY_REFUSED</h1>")
    expect(page(list, "no such")).toContain("No integration matches.")
    expect(page([])).toContain("No integrations yet")
  })

  test("never rounds a percentage up to 100, and says when figures are truncated", () => {
    const text = page([integrationOf(1)])
    expect(text).toContain(
      '<p class="big">99.7<small> %</small></p><p class="note">1,493 of 1,497 slots completed: 3 failed, 1 skipped</p>'
    )
    expect(text).toContain("Busiest hour: 10:00 CET (212)")
    expect(text).toContain("<dt>max</dt><dd>12 m 04 s</dd>")
    const day = dayOf({ day: "2026-11-24", runs: 10_000, failed: 2, capped: true })
    const cut = matterOf(overviewOf([integrationOf(1)]))
    const figures = { now: NOW, lag: LAG, days: [day] }
    expect(overviewPage(frame, { ...cut, figures })).toContain(
      "2 failed, of more than 10,000 slots"
    )
  })

  test("counts only completed runs as successes in its success rate, not retrying or overdue ones", () => {
    const list = [integrationOf(1), integrationOf(2, { next_run_at: NOW - HOUR })]
    const matter = matterOf(overviewOf(list))
    const today = dayOf({
      day: "2026-11-24",
      runs: 301,
      completed: 98,
      retrying: 200,
      in_progress: 3
    })
    const days = [dayOf({ day: "2026-11-22", failed: 1 }), dayOf({ day: "2026-11-23" }), today]
    const figures = { now: NOW, lag: LAG, days }
    const text = overviewPage(frame, { ...matter, figures })
    expect(text).toContain(
      '<p class="big">32.7<small> %</small></p><p class="note">98 of 299 slots completed: 200 retrying, 1 overdue</p>'
    )
    expect(text).toContain("98 completed, 200 retrying</title>")
    expect(text).not.toMatch(/<path class="ok"/)
  })

  test("omits empty calendars, charts and cards", () => {
    const matter = matterOf(
      overviewOf([integrationOf(1, { last_run: null, last_completed_slot: null })])
    )
    const lag = { runs: 0, p50_ms: null, p95_ms: null, max_ms: null, sampled: false }
    const days = [dayOf({ day: "2026-11-23" }), dayOf({ day: "2026-11-24", in_progress: 1 })]
    const text = overviewPage(frame, { ...matter, figures: { now: NOW, lag, days }, load: [] })
    for (const gone of [
      "Success rate",
      "Start lag",
      "Upcoming",
      "Last 2 days",
      "Providers",
      "Also open",
      "Needs attention"
    ]) {
      expect(text).not.toContain(gone)
    }
    expect(text).toMatch(/href="\/assets\/idle\./)
    expect(text).toContain("<h1>0 of 1 have completed a run yet; 1 never ran</h1>")
    expect(text).not.toMatch(/class="(filters|legend|strip|ticks)"/)
  })

  describe("a panel is shown only when it adds information to the rows", () => {
    const lag = (runs: number) => ({ ...LAG, runs })
    const daysBack = (...backs: ReadonlyArray<number>) =>
      Array.from({ length: 14 }, (_, n) =>
        dayOf({
          day: new Date(NOW - (13 - n) * 24 * HOUR).toISOString().slice(0, 10),
          completed: backs.includes(13 - n) ? 1 : 0
        })
      )
    const hours = (...slots: ReadonlyArray<number>) =>
      slots.map((n, index) => ({ hour: NOW + index * HOUR, slots: n }))
    const shown = (
      runs: number,
      days: ReturnType<typeof daysBack>,
      load: ReturnType<typeof hours>
    ) =>
      overviewPage(frame, {
        ...matterOf(overviewOf([integrationOf(1)])),
        figures: { now: NOW, lag: lag(runs), days },
        load
      })
    test.each([
      [
        "one run",
        shown(1, daysBack(0), hours(0, 1)),
        ["<dt>one run</dt>"],
        ["calendar", "upcoming"]
      ],
      [
        "two days",
        shown(2, daysBack(0, 1), hours(1, 1)),
        ["At most 1 per hour"],
        ["calendar", "p95"]
      ],
      [
        "one run long ago",
        shown(0, daysBack(9), hours(0, 2)),
        ["Busiest hour"],
        ["calendar", "lag"]
      ],
      ["a few", shown(19, daysBack(0, 1, 2), hours(2, 1)), ["Last 14 days", "p50"], ["p95"]],
      ["many", shown(20, daysBack(0, 1, 2, 3), hours(2, 1)), ["Last 14 days", "<dt>p95</dt>"], []]
    ] as const)("%s", (_, text, there, absent) => {
      const WORDS = {
        calendar: 'class="heat"',
        upcoming: "Upcoming",
        p95: "<dt>p95</dt>",
        lag: "Start lag"
      }
      for (const words of there) expect(text.includes(words) ? words : text).toBe(words)
      expect(absent.filter((name) => text.includes(WORDS[name]))).toEqual([])
    })

    test("the daily charts appear if a row has a mark", () => {
      const quiet = matterOf(overviewOf([integrationOf(1), integrationOf(2)]))
      const activity = (
        runs: ReadonlyArray<readonly [number, string, number, number, null, string]>
      ) => ({
        now: NOW,
        from: NOW - 24 * HOUR,
        to: NOW,
        integrations: [
          { integration_id: uuid(1), runs: [], ranges: [], truncated: false },
          { integration_id: uuid(2), runs: [...runs], ranges: [], truncated: false }
        ]
      })
      const strips = (text: string) => text.match(/<svg class="strip"/g)?.length ?? 0
      const legends = (text: string) => text.match(/class="legend"/g)?.length ?? 0
      const none = overviewPage(frame, { ...quiet, activity: activity([]) })
      expect([strips(none), legends(none)]).toEqual([0, 0])
      const one = activity([[NOW - HOUR, "completed", NOW - HOUR, NOW - HOUR, null, uuid(9)]])
      const some = overviewPage(frame, { ...quiet, activity: one })
      expect([strips(some), legends(some)]).toEqual([2, 1])
    })

    test("a daily chart shows a run that waits for another attempt as retrying, not as running", () => {
      const one = matterOf(overviewOf([integrationOf(1)]))
      const strip = (started: number | null) =>
        overviewPage(frame, {
          ...one,
          activity: {
            now: NOW,
            from: NOW - 24 * HOUR,
            to: NOW,
            integrations: [
              {
                integration_id: uuid(1),
                runs: [[NOW - HOUR, "pending", started, null, null, uuid(9)]],
                ranges: [],
                truncated: false
              }
            ]
          }
        })
      expect(strip(NOW - HOUR)).toContain("Last 24 hours: 1 retrying")
      expect(strip(null)).toContain("Last 24 hours: 1 running")
    })

    test("the providers appear if one of them has a health record", () => {
      const health = {
        provider: "xledger",
        host: "api.example.com",
        status: "unknown",
        latency_ms: null,
        http_status: null,
        error_code: null,
        throttled_until: null,
        probed_at: null,
        synced_at: null,
        passive_until: null,
        mode: "active"
      } as const
      const with_ = (changes: object) =>
        overviewPage(
          frame,
          matterOf(overviewOf([integrationOf(1, { health: { ...health, ...changes } })]))
        )
      expect(with_({})).not.toContain("Providers")
      expect(with_({ synced_at: NOW - HOUR })).toContain("Providers")
      expect(with_({ status: "unhealthy" })).toContain("Unhealthy")
    })
  })

  test("200 integrations with one cause share one line, and a signed-in operator can retry all of them", () => {
    const failed = (n: number) =>
      integrationOf(n, {
        last_run: runOf({
          status: "failed",
          error_code: "TOKEN_EXPIRED",
          error_message: "Xledger answered 401",
          run_id: uuid(n)
        }),
        failing_since: NOW - HOUR * (n === 7 ? 3 : 1)
      })
    const list = [...Array.from({ length: 200 }, (_, n) => failed(n)), integrationOf(900)]
    const matter = matterOf(overviewOf(list))
    const text = overviewPage(frame, matter)
    expect(text.match(/<li id="[ac]-/g)).toEqual(['<li id="c-'])
    expect(text).toContain(
      'href="/?cause=failing%2Fxledger%2FTOKEN_EXPIRED"><bdi>xledger</bdi>: 200 × <span class="code">TOKEN_EXPIRED</span></a>'
    )
    expect(text).toContain('since <time datetime="2026-11-24T05:12:04Z">06:12:04</time>')
    expect(text).not.toContain('<form method="post"')
    const access = { _tag: "SignedIn", actor: "Kari", csrf: "c" } as const
    const acting = overviewPage({ ...frame, access }, matter)
    expect(acting).toContain("Retry all 200")
    expect(acting).toContain('name="cause" value="failing/xledger/TOKEN_EXPIRED"')
  })

  test("the newest run is shown in any state", () => {
    const unknown = runOf({ run_id: uuid(77), status: "unknown", scheduled_for: NOW - HOUR })
    const text = page([
      integrationOf(1, { live_run: unknown, last_run: runOf({ run_id: uuid(76) }) })
    ])
    expect(text).toContain(`<a href="/run/${uuid(77)}"><span class="unknown">`)
    expect(text).not.toContain(uuid(76))
  })

  test("without integrations the page shows three steps and nothing else", () => {
    const text = page([])
    expect(text.match(/<li class="sheet">/g)?.length).toBe(3)
    expect(text).toContain("insert into organization_integrations")
    expect(text).not.toMatch(/class="counts"|class="figures"|No integration matches/)
  })

  test("an outdated page says so, and nothing on it is green", () => {
    const outdated = "As of 09:12:04 CET: the database does not answer."
    const text = overviewPage({ ...frame, outdated }, matterOf(overviewOf([integrationOf(1)])))
    expect(text).toMatch(/<html [^>]*class="stale"/)
    expect(text).toContain(`role="alert"><p>${outdated}</p>`)
  })

  test("a thousand integrations fill pages of a hundred, each under 150 kB and without repetition", () => {
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
    const overview = overviewOf(many)
    const pageNumber = (page: number) =>
      overviewPage(frame, matterOf(overview, { activity, filter: { ...NO_FILTER, page } }))
    const text = pageNumber(1)
    expect(Buffer.byteLength(text)).toBeLessThan(150_000)
    expect(text.match(/class="strip"/g)?.length).toBe(100)
    const ids = Array.from({ length: 10 }, (_, n) =>
      [...pageNumber(n + 1).matchAll(/<tr id="i-([^"]+)"/g)].map(([, id]) => id)
    )
    expect(ids.map(({ length }) => length)).toEqual(Array(10).fill(100))
    expect(new Set(ids.flat()).size).toBe(1_000)
    expect(pageNumber(3)).toContain("201 to 300 of 1,000")
    expect(pageNumber(99)).toContain("901 to 1,000 of 1,000")
  })

  test("every link of the list keeps the other filters", () => {
    const filter = { ...NO_FILTER, query: "org & <co>", state: "on_time", type: "xledger" } as const
    const list = Array.from({ length: 250 }, (_, n) =>
      integrationOf(n, { org_name: `Org & <co> ${n}` })
    )
    const xero = integrationOf(900, { integration_type: "xero" })
    const text = overviewPage(
      frame,
      matterOf(overviewOf([...list, xero]), { filter: { ...filter, page: 2 } })
    )
    const hrefs = [...text.matchAll(/href="(\/\?[^"]*)"/g)].map(([, href]) =>
      readFilter(new URL((href ?? "").replaceAll("&amp;", "&"), "http://x").searchParams)
    )
    expect(hrefs).toContainEqual({ ...filter, page: 1 })
    expect(hrefs).toContainEqual({ ...filter, page: 3 })
    expect(hrefs).toContainEqual({ ...filter, page: 1, state: null })
    expect(hrefs).toContainEqual({ ...filter, page: 1, type: null })
    expect(hrefs).toContainEqual({ ...filter, page: 1, type: "xero" })
    expect(text).toContain("101 to 200 of 250")
    expect(text).not.toContain("Needs attention")
  })
})
