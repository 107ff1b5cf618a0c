import { describe, expect, test } from "bun:test"
import type { Explanation } from "../../../src/Operator/Explanation.ts"
import type { IntegrationState } from "../../../src/Operator/IntegrationState.ts"
import type { ExplainedSlot } from "../../../src/Operator/SlotTimeline.ts"
import type { PageFrame } from "../../../src/Server/Pages/Document.ts"
import { orgPage } from "../../../src/Server/Pages/OrgPage.ts"
import { dayOf, frame, HOUR, integrationOf, NOW, runOf, uuid } from "./Fixtures.ts"

const explanationOf = (
  integration: IntegrationState,
  answer: Explanation["answer"],
  changes: Partial<Explanation> = {}
): Explanation => ({
  now: NOW,
  from: NOW - 24 * HOUR,
  to: NOW,
  integration_id: integration.integration_id,
  integration,
  answer,
  sentence: "A sentence.",
  expected: 1,
  completed: 1,
  slots: [],
  truncated: false,
  notes: [],
  actions: [],
  next_run_at: NOW + HOUR,
  next: "10:12",
  ...changes
})

const page = (explanations: ReadonlyArray<Explanation>, changes: Partial<PageFrame> = {}): string =>
  orgPage(
    { ...frame, ...changes },
    {
      org_id: uuid(10_001),
      org_name: "Acme",
      now: NOW,
      from: NOW - 24 * HOUR,
      to: NOW,
      day: null,
      explanations,
      left: 0,
      activity: { now: NOW, from: NOW - 24 * HOUR, to: NOW, integrations: [] },
      figures: new Map([
        [
          uuid(1),
          {
            now: NOW,
            lag: { runs: 0, p50_ms: null, p95_ms: null, max_ms: null, sampled: false },
            days: [
              dayOf({ day: "2026-11-22", completed: 4 }),
              dayOf({ day: "2026-11-23", failed: 1 }),
              dayOf({ day: "2026-11-24", completed: 4 })
            ]
          }
        ]
      ])
    }
  )

const iconIn = (text: string): string => /href="\/assets\/(\w+)\.[^"]+\.svg"/.exec(text)?.[1] ?? ""

describe("the page of an organisation is green only if every integration is well", () => {
  const fine = integrationOf(1)
  const retrying = integrationOf(2, {
    live_run: runOf({ status: "pending", not_before: NOW + HOUR })
  })
  const invalid = integrationOf(3, { schedule_error: "minute is 61" })
  const fresh = integrationOf(4, { last_run: null, last_completed_slot: null })
  const failing = integrationOf(5, { last_run: runOf({ status: "failed" }) })
  test.each([
    ["yes, on time", [explanationOf(fine, "yes")], "good", "completed"],
    ["being retried", [explanationOf(retrying, "not_yet")], "warn", "retrying"],
    ["misconfigured", [explanationOf(invalid, "nothing_due")], "bad", "failed"],
    ["nothing ran yet", [explanationOf(fresh, "nothing_due")], "idle", "never_ran"],
    ["yes then, failing now", [explanationOf(failing, "yes")], "bad", "completed"],
    [
      "one of two is retrying",
      [explanationOf(fine, "yes"), explanationOf(retrying, "not_yet")],
      "warn",
      "completed"
    ],
    ["none", [], "idle", undefined]
  ] as const)("%s", (_title, explanations, icon, look) => {
    const text = page(explanations)
    expect([iconIn(text), /class="answer (\w+)"/.exec(text)?.[1]]).toEqual([icon, look])
  })
})

test("only days with a fault have a link, and links keep the rest of the address", () => {
  const text = page([explanationOf(integrationOf(1), "yes")])
  const org = `/org/${uuid(10_001)}`
  expect(text).toContain(
    `<a href="${org}?on=2026-11-23" aria-label="2026-11-23: 0 completed, 1 failed">`
  )
  expect(text).not.toContain(`aria-label="2026-11-24`)
  expect(text).toContain(`<a class="button" href="${org}?on=2026-11-23">Yesterday</a>`)
  expect(text).toContain(`<a class="button" href="${org}?on=2026-11-24">Today</a>`)
})

test("an integration that cannot run is counted among those that did not run", () => {
  const invalid = integrationOf(3, { schedule_error: "minute is 61" })
  const said = (...explanations: ReadonlyArray<Explanation>) =>
    /<\/h1><p>([^<]+)<\/p>/.exec(page(explanations))?.[1]
  const failed = explanationOf(integrationOf(5, { last_run: runOf({ status: "failed" }) }), "no")
  const nothing = explanationOf(invalid, "nothing_due")
  expect(said(failed, nothing)).toBe("2 of 2 integrations had missed or failed runs.")
  expect(said(nothing, nothing)).toBe("2 of 2 integrations had missed or failed runs.")
  const fresh = integrationOf(4, { last_run: null, last_completed_slot: null })
  const quiet = explanationOf(fresh, "nothing_due")
  expect(said(quiet, quiet)).toBe("None of 2 integrations had a due slot.")
})

test("a user with permission can retry a failed run from the page, which then confirms the retry", () => {
  const failing = integrationOf(1, { last_run: runOf({ status: "failed" }) })
  const access = { _tag: "SignedIn", actor: "Kari", csrf: "c" } as const
  const text = page([explanationOf(failing, "no")], { access })
  expect(text).toContain(`action="/api/runs/${uuid(900)}/retry"`)
  expect(text).toContain(`name="next" value="/org/${uuid(10_001)}?did=retry"`)
  expect(page([explanationOf(failing, "no")])).not.toContain("/retry")
  expect(page([explanationOf(integrationOf(1), "yes")], { access })).not.toContain("/retry")
})

describe("the page does not repeat", () => {
  const failing = integrationOf(1, {
    last_run: runOf({ status: "failed", error_code: "TOKEN_EXPIRED", http_status: null }),
    consecutive_failures: 5
  })
  const nowIn = (text: string) => /Now: (.*?)<\/p>/.exec(text)?.[1]?.replace(/<[^>]+>/g, "")

  test("the reason if the sentence already contains it", () => {
    const sentence = "No. The 00:15 run failed: TOKEN_EXPIRED."
    expect(nowIn(page([explanationOf(failing, "no", { sentence })]))).toBe(
      "Failing, 5 times in a row."
    )
    expect(nowIn(page([explanationOf(failing, "yes")]))).toBe(
      "Failing, 5 times in a row: TOKEN_EXPIRED."
    )
    const paused = integrationOf(1, { enabled: false, paused_reason: "moving" })
    const pauseSentence = { sentence: 'No. Paused since 09:00 by Kari: "moving".' }
    expect(nowIn(page([explanationOf(paused, "no", pauseSentence)]))).toBe("Paused.")
    const invalid = integrationOf(1, { schedule_error: "minute is 61" })
    const why = { sentence: "No. The schedule is invalid: minute is 61." }
    expect(nowIn(page([explanationOf(invalid, "no", why)]))).toBe("Misconfigured.")
  })

  test("a row for consecutive slots without a run", () => {
    const slotAt = (hour: number, outcome: "paused" | "missing", why = ""): ExplainedSlot => ({
      slot: NOW - hour * HOUR,
      expected: true,
      outcome,
      run: null,
      why,
      events: []
    })
    const slots = [
      slotAt(5, "missing"),
      ...[4, 3, 2].map((hour) => slotAt(hour, "paused")),
      slotAt(1, "paused", "again")
    ]
    const text = page([explanationOf(integrationOf(1), "no", { slots })])
    expect(text.match(/<tr><th scope="row">/g)?.length).toBe(3)
    expect(text.match(/and 2 earlier slots/g)?.length).toBe(1)
  })
})

test("a page without permission to act shows the command to copy", () => {
  const actions = [{ what: "run it now", command: "sync-scheduler runs retry 4875f69a" }]
  const explanations = [explanationOf(integrationOf(1), "no", { actions })]
  expect(page(explanations)).toContain("<code>sync-scheduler runs retry 4875f69a</code>")
  const access = { _tag: "SignedIn", actor: "Kari", csrf: "c" } as const
  expect(page(explanations, { access })).not.toContain("runs retry 4875f69a")
})
