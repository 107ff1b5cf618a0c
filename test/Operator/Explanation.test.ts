import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { Explanation, explain } from "../../src/Operator/Explanation.ts"
import { setClock } from "../support/DatabaseClock.ts"
import { SCENE_NOW, sceneId } from "../support/OperatorScene.ts"
import { openScene, type SceneDatabase } from "../support/SceneDatabase.ts"

setDefaultTimeout(60_000)

let scene: SceneDatabase
beforeAll(async () => {
  scene = await openScene()
}, 60_000)
afterAll(() => scene.close())

const DAY = 86_400_000
const of = (n: number, from = SCENE_NOW - DAY, to = SCENE_NOW + 1) =>
  scene.run(explain({ integrationId: sceneId(n), from, to, driftAlertMs: 300_000 }))

test.each<[string, number, Explanation["answer"], string]>([
  ["yes", 1, "yes", "Yes: 1 of 1 slot completed."],
  ["all day", 2, "yes", "Yes: 48 of 48 slots completed."],
  ["not started", 4, "no", "has not started: due for 12 m, not claimed yet."],
  ["failing", 5, "partly", "failed: HTTP 401 UNAUTHORIZED, the token was revoked."],
  ["an invalid schedule", 6, "nothing_due", "so it never runs: minute is 61"],
  [
    "held",
    7,
    "no",
    "it may have run; held: later slots wait until somebody retries or releases it."
  ],
  ["under way", 9, "not_yet", "is running: try 1, started 2 m ago."],
  ["late, and why", 10, "yes", "Yes: 1 of 1"],
  [
    "paused",
    11,
    "nothing_due",
    "paused since 2026-11-18 09:12:04 +01:00 Europe/Oslo by ada@ops: moving to a new ERP"
  ],
  ["new", 12, "nothing_due", "in that time"],
  ["passed over", 15, "partly", "passed over: a newer slot was due as well"],
  [
    "between two tries",
    16,
    "not_yet",
    "is pending: HTTP 503 BOOT_ERROR, the function did not start; try 2 of 3 in 40 s."
  ]
])("%s", async (_title, n, answer, sentence) => {
  const explanation = await of(n)
  expect(explanation.answer).toBe(answer)
  expect(explanation.sentence).toContain(sentence)
  expect(Schema.decodeSync(Explanation)(Schema.encodeSync(Explanation)(explanation))).toEqual(
    explanation
  )
})

test("every slot of the day has its line: what became of it, in how many tries, and how late", async () => {
  const night = await of(1)
  expect(night.slots).toMatchObject([
    {
      outcome: "completed",
      expected: true,
      why: "started 3 m late; try 1: HTTP 503 BOOT_ERROR, the function did not start"
    }
  ])
  expect(night.next).toBe("2026-11-23 02:00 +01:00 Europe/Oslo (in 2 d 17 h)")
  const outage = (await of(15)).slots.filter(({ outcome }) => outcome === "passed_over")
  expect(outage.length).toBe(4)
  expect(outage[0]?.why).toContain(
    "no engine ticked from 2026-11-20 03:58 +00:00 UTC to 2026-11-20 04:22 +00:00 UTC"
  )
  const late = await of(10)
  expect(late.slots[0]?.why).toStartWith("started 22 m late; no engine ticked from")
})

test("what bears on it is said, with the way out", async () => {
  const held = await of(7)
  expect(held.notes.join()).toContain(
    `sync-scheduler runs retry ${held.integration?.live_run?.run_id}`
  )
  const broken = await of(8)
  expect(broken.next).toStartWith("not until its breaker closes, 2026-11-20 06:12:04 -05:00")
  expect(broken.notes.join(" ")).toContain("is throttled until")
})

test("a schedule that was changed is judged by what was in force at the time", async () => {
  const own = await openScene()
  await own.sql`update organization_integrations set sync_schedule = '0 5 * * *', next_run_at = null where id = ${sceneId(2)}`
  await setClock(own.sql, SCENE_NOW + 60_000)
  const explanation = await own.run(
    explain({
      integrationId: sceneId(2),
      from: SCENE_NOW - DAY,
      to: SCENE_NOW + DAY,
      driftAlertMs: 300_000
    })
  )
  expect(explanation).toMatchObject({ answer: "yes", expected: 48 })
  expect(explanation.notes.join()).toContain('its schedule was "*/30 * * * *" (Europe/Oslo).')
  await own.sql`delete from organization_integrations where id = ${sceneId(2)}`
  const gone = await own.run(
    explain({
      integrationId: sceneId(2),
      from: SCENE_NOW - DAY,
      to: SCENE_NOW + DAY,
      driftAlertMs: 300_000
    })
  )
  expect(gone).toMatchObject({ answer: "yes", integration: null, next: "never: it was deleted" })
  await own.close()
})
