import { describe, expect, test } from "bun:test"
import type { RunEvent } from "../../src/Domain/RunView.ts"
import type { Access } from "../../src/Page/Document.ts"
import { doneNotice } from "../../src/Page/Forms.ts"
import { type RunMatter, runPage } from "../../src/Page/RunPage.ts"
import { frame, HOUR, integrationOf, NOW, runOf, uuid } from "./Fixtures.ts"

const RESPONSE = "what the function gave back"
const page = (
  changes: Partial<RunMatter["run"]>,
  {
    access,
    integration = integrationOf(2),
    events = []
  }: Partial<RunMatter> & { access?: Access } = {}
): string => {
  const run: RunMatter["run"] = {
    ...runOf(),
    idempotency_key: `${uuid(2)}:2026-11-24T07:12:04.000Z`,
    warm_up_ms: null,
    heartbeat_at: null,
    fenced: false,
    response: { secret: RESPONSE },
    ...changes
  }
  return runPage(
    { ...frame, access: access ?? frame.access },
    { now: NOW, events, integration, run }
  )
}
const answerIn = (text: string): string =>
  (/<section class="sheet answer[^>]*>(.*?)<\/section>/s.exec(text)?.[1] ?? "")
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")

describe("what happens next", () => {
  const held = integrationOf(2, { on_unknown: "hold" })
  const unknown = { status: "unknown", not_before: NOW + HOUR, attempt: 1 } as const
  test.each([
    [
      "completed",
      {},
      undefined,
      "Nothing more happens to it. The next run of this integration is due 10:12:04 CET"
    ],
    ["failed", { status: "failed" }, undefined, "It is not tried again by itself."],
    ["of a deleted integration", { status: "failed" }, null, "Its integration was deleted."],
    ["waiting", { status: "pending", attempt: 0 }, undefined, "The next tick starts it."],
    [
      "tried again",
      { status: "pending", not_before: NOW + HOUR },
      undefined,
      "Try 2 of 3 from 10:12:04 CET"
    ],
    [
      "running",
      { status: "running", lease_until: NOW + HOUR },
      undefined,
      "until 10:12:04 CET , the next tick decides"
    ],
    [
      "unknown",
      unknown,
      undefined,
      "It is tried again from 10:12:04 CET , with the same idempotency key."
    ],
    ["unknown, held", unknown, held, "Later slots wait until its function reports"],
    ["unknown, no attempts left", { ...unknown, attempt: 3 }, undefined, "no attempts are left"],
    ["released", { ...unknown, released_at: NOW }, held, "It stays as it is, and later slots run."]
  ] as const)("%s", (_, changes, integration, words) => {
    const given = integration === undefined ? {} : { integration }
    expect(answerIn(page(changes, given))).toContain(words)
  })
})

test("neither payload nor answer is on the page, whatever they hold; markup in errors is text", () => {
  const event: RunEvent = {
    at: NOW,
    kind: "settled",
    from_status: "running",
    to_status: "failed",
    attempt: 1,
    actor: "<i>host</i>",
    reason: "failed",
    detail: {
      http_status: 500,
      error_code: "BROKEN",
      error_message: "<img src=x>",
      response: RESPONSE
    }
  }
  const text = page({ status: "failed", error_message: "<script>1</script>" }, { events: [event] })
  expect(text).not.toContain(RESPONSE)
  expect(text).not.toMatch(/<img|<i>|<script>1/)
  expect(text).toContain("HTTP 500, BROKEN, &lt;img src=x&gt;")
})

describe("forms", () => {
  const access: Access = { _tag: "SignedIn", actor: "Kari", csrf: "token-of-the-form" }
  const formsIn = (text: string) =>
    [...text.matchAll(/action="(\/api\/[^"]+)"/g)].map(([, path]) => path)

  test("only for who signed in, and only where something can be done", () => {
    const id = uuid(900)
    expect(formsIn(page({ status: "failed" }))).toEqual([])
    expect(formsIn(page({ status: "failed" }, { access: { _tag: "SignedOut" } }))).toEqual([])
    expect(formsIn(page({ status: "failed" }, { access }))).toEqual([`/api/runs/${id}/retry`])
    expect(formsIn(page({ status: "completed" }, { access }))).toEqual([])
    expect(formsIn(page({ status: "unknown" }, { access }))).toEqual([
      `/api/runs/${id}/retry`,
      `/api/runs/${id}/release`
    ])
    expect(page({ status: "failed" }, { access })).toContain(
      'name="csrf" value="token-of-the-form"'
    )
  })

  test("the page after says what was done, and nothing else that an address may hold", () => {
    expect(doneNotice("pause")).toContain("Paused")
    expect(doneNotice("<script>")).toBe(null)
    expect(doneNotice("toString")).toBe(null)
    expect(doneNotice(null)).toBe(null)
  })
})
