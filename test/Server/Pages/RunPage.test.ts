import { describe, expect, test } from "bun:test"
import { pasteable } from "../../../src/Cli/Hints.ts"
import type { RunEvent } from "../../../src/Domain/RunView.ts"
import type { PageAccess, PageFrame } from "../../../src/Server/Pages/Document.ts"
import { doneNotice } from "../../../src/Server/Pages/Forms.ts"
import { type RunModel, runPage } from "../../../src/Server/Pages/RunPage.ts"
import { frame, HOUR, integrationOf, NOW, runOf, uuid } from "./Fixtures.ts"

const RESPONSE = "what the function returned"
const page = (
  changes: Partial<RunModel["run"]>,
  {
    access,
    answers = "command",
    integration = integrationOf(2),
    events = [],
    pasteable = frame.pasteable
  }: Partial<RunModel> & Partial<Pick<PageFrame, "access" | "answers" | "pasteable">> = {}
): string => {
  const run: RunModel["run"] = {
    ...runOf(),
    idempotency_key: `${uuid(2)}:2026-11-24T07:12:04.000Z`,
    warm_up_ms: null,
    heartbeat_at: null,
    fenced: false,
    response: { secret: RESPONSE },
    ...changes
  }
  return runPage(
    { ...frame, path: `/run/${uuid(900)}`, access: access ?? frame.access, answers, pasteable },
    { now: NOW, events, integration, run }
  )
}
const answerIn = (text: string): string =>
  (/<section class="sheet answer[^>]*>(.*?)<\/section>/s.exec(text)?.[1] ?? "")
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")

describe("the page explains the next step of a run", () => {
  const held = integrationOf(2, { on_unknown: "hold" })
  const unknown = { status: "unknown", not_before: NOW + HOUR, attempt: 1 } as const
  test.each([
    [
      "completed",
      {},
      undefined,
      "The run is finished. The next run of this integration is due 10:12:04 CET"
    ],
    [
      "failed",
      { status: "failed" },
      undefined,
      "Failed on attempt 1; failures are not retried automatically."
    ],
    ["of a deleted integration", { status: "failed" }, null, "Its integration was deleted."],
    ["waiting", { status: "pending", attempt: 0 }, undefined, "The next tick starts it."],
    [
      "retried",
      { status: "pending", not_before: NOW + HOUR },
      undefined,
      "Attempt 2 of 3 starts at 10:12:04 CET or later"
    ],
    [
      "running",
      { status: "running", lease_until: NOW + HOUR },
      undefined,
      "by 10:12:04 CET , the next tick retries the run or marks it unknown"
    ],
    [
      "unknown",
      unknown,
      undefined,
      "The run is retried at 10:12:04 CET or later, with the same idempotency key."
    ],
    ["unknown, held", unknown, held, "Later slots wait until the function reports"],
    ["unknown, no attempts left", { ...unknown, attempt: 3 }, undefined, "no attempts are left"],
    [
      "released",
      { ...unknown, released_at: NOW },
      held,
      "The run stays unknown, and later slots run."
    ]
  ] as const)("%s", (_, changes, integration, words) => {
    const given = integration === undefined ? {} : { integration }
    expect(answerIn(page(changes, given))).toContain(words)
  })
})

test("the page shows neither payload nor response, and shows markup in errors as text", () => {
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

describe("the commands on the page", () => {
  const commandsIn = (text: string) =>
    [...text.matchAll(/<pre tabindex="0"><code>([^<]*)/g)].map(([, command]) => command)

  test("are retry for a failed run, retry and release for an unknown run, and none for a completed run", () => {
    const id = uuid(900).slice(0, 8)
    const plain = { response: null }
    expect(commandsIn(page({ ...plain, status: "failed" }))).toEqual([
      `sync-scheduler runs retry ${id} --wait`
    ])
    expect(commandsIn(page({ ...plain, status: "unknown" }))).toEqual([
      `sync-scheduler runs retry ${id} --wait`,
      `sync-scheduler runs release ${id}`
    ])
    expect(commandsIn(page({ ...plain, status: "completed" }))).toEqual([])
  })

  test("every command can be pasted unchanged, in a demo too", () => {
    const commands = commandsIn(
      page({ status: "failed" }, { pasteable: pasteable("/tmp/my demo") })
    )
    expect(commands.length).toBe(2)
    for (const command of commands) expect(command).toContain("--demo &#39;/tmp/my demo&#39;")
  })
})

describe("the page shows the response, a sign-in link or a command", () => {
  test.each([
    ["command", "signing in requires SYNC_SCHEDULER_ADMIN_TOKEN", false],
    ["sign-in", `<a href="/sign-in?next=%2Frun%2F${uuid(900)}">Sign in</a>`, false],
    ["shown", RESPONSE, true]
  ] as const)("%s", (answers, words, isShown) => {
    const text = page({}, { answers })
    expect(text).toContain(words)
    expect(text.includes(RESPONSE)).toBe(isShown)
    expect(text.includes("runs show")).toBe(!isShown)
  })
})

test("a run with one completed attempt has no chart, and other runs have one", () => {
  const event = (kind: string, to_status: RunEvent["to_status"], at: number): RunEvent => ({
    at,
    kind,
    from_status: null,
    to_status,
    attempt: 1,
    actor: null,
    reason: null,
    detail: null
  })
  const events = [event("started", "running", NOW - 9_000), event("settled", "completed", NOW)]
  expect(page({}, { events })).not.toContain("waterfall")
  const failed = [event("started", "running", NOW - 9_000), event("settled", "failed", NOW)]
  expect(page({ status: "failed" }, { events: failed })).toContain("waterfall")
})

describe("the forms on the page", () => {
  const access: PageAccess = { _tag: "SignedIn", actor: "Kari", csrf: "token-of-the-form" }
  const formsIn = (text: string) =>
    [...text.matchAll(/action="(\/api\/[^"]+)"/g)].map(([, path]) => path)

  test("appear only for a signed-in user, and only if an action is possible", () => {
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

  test("lead to a page that confirms the action, and shows nothing else from its address", () => {
    expect(doneNotice("pause")).toContain("Paused")
    expect(doneNotice("<script>")).toBe(null)
    expect(doneNotice("toString")).toBe(null)
    expect(doneNotice(null)).toBe(null)
  })
})
