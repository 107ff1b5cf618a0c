import { describe, expect, test } from "bun:test"
import { cloudEventOf } from "../../src/Layers/AlertCloudEvent.ts"
import { slackMessageOf } from "../../src/Layers/AlertSlack.ts"
import { signatureOf } from "../../src/Layers/WebhookSignature.ts"
import { alertOf, batchOf, slot } from "../support/alerts.ts"

const source = "https://abc.supabase.co"
const one = (more = {}) => ({ _tag: "One", alert: alertOf(more), incidentIds: [42] }) as const
const many = (total: number) => {
  const batch = batchOf(total)
  return { _tag: "Many", batch, incidentIds: batch.incident_ids } as const
}

describe("CloudEvents", () => {
  test("describe the opening of an incident completely", async () => {
    expect(await cloudEventOf(one(), source)).toEqual({
      specversion: "1.0",
      id: "incident_42_opened",
      source,
      type: "dev.sync-scheduler.incident.opened.v1",
      subject: "drift/1a000000-0000-4000-8000-000000000001",
      time: "2026-11-24T02:07:12.000Z",
      datacontenttype: "application/json",
      data: {
        incident_id: 42,
        kind: "drift",
        transition: "opened",
        subject: "1a000000-0000-4000-8000-000000000001",
        opened_at: "2026-11-24T02:07:12.000Z",
        resolved_at: null,
        announced: false,
        occurrences: 1,
        integration_id: "1a000000-0000-4000-8000-000000000001",
        integration_type: "xledger",
        org_id: "0a000000-0000-4000-8000-000000000001",
        schedule: "0 2 * * 1-5",
        timezone: "Europe/Oslo",
        run_id: "2a000000-0000-4000-8000-000000000001",
        run_status: "running",
        scheduled_for: "2026-11-24T02:00:00.000Z",
        started_at: "2026-11-24T02:07:12.000Z",
        late_ms: 432_000,
        error_code: null,
        error_message: null,
        title: "A sync started 7 m 12 s late (xledger 1a000000-0000-4000-8000-000000000001)",
        why: "No engine ticked between 2026-11-24 02:00 UTC and 2026-11-24 02:07:10 UTC.",
        next: "sync-scheduler explain 0a000000-0000-4000-8000-000000000001",
        text: expect.stringContaining("Due: 2026-11-24 02:00 UTC\nLate by: 7 m 12 s\n")
      }
    })
  })

  test("describe the resolution with another id and type, and the time of the end", async () => {
    const event = await cloudEventOf(
      one({ transition: "resolved", resolved_at: slot + 3_600_000 }),
      source
    )
    expect(event).toMatchObject({
      id: "incident_42_resolved",
      type: "dev.sync-scheduler.incident.resolved.v1",
      time: "2026-11-24T03:00:00.000Z",
      data: { resolved_at: "2026-11-24T03:00:00.000Z", announced: true }
    })
  })

  test("describe many incidents in one event; only the same set has the same id", async () => {
    const event = await cloudEventOf(many(8), source)
    expect(event).toMatchObject({
      type: "dev.sync-scheduler.incidents.v1",
      time: "2026-11-24T02:07:20.000Z",
      data: { total: 8, opened: 8, resolved: 0, kinds: { drift: 8 }, incidents_truncated: false }
    })
    const { incidents } = event.data as { incidents: ReadonlyArray<{ id: string }> }
    expect(incidents.map(({ id }) => id)).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `incident_${n}_opened`)
    )
    const later = { ...many(8), batch: { ...batchOf(8), now: slot + 999_999 } }
    expect((await cloudEventOf(later, source)).id).toBe(event.id)
    expect((await cloudEventOf(many(9), source)).id).not.toBe(event.id)
  })

  test("stay small in a flood: 5,000 incidents, 50 listed", async () => {
    const event = await cloudEventOf(many(5_000), source)
    expect(event.data).toMatchObject({ total: 5_000, incidents_truncated: true })
    expect(JSON.stringify(event).length).toBeLessThan(128 * 1024)
  })
})

describe("the webhook signature", () => {
  test("matches the published example of Standard Webhooks", async () => {
    const signature = await signatureOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1_614_265_330,
      body: '{"test": 2432232314}'
    })
    expect(signature).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  })
})

describe("Slack messages", () => {
  test("describe the opening of an incident completely", () => {
    const field = (name: string, value: string) => ({
      type: "mrkdwn",
      text: `*${name}*\n${value}`,
      verbatim: true
    })
    const title = "A sync started 7 m 12 s late (xledger 1a000000-0000-4000-8000-000000000001)"
    const message: unknown = slackMessageOf(one())
    expect(message).toEqual({
      text: title,
      blocks: [
        { type: "header", text: { type: "plain_text", text: title, emoji: false } },
        {
          type: "section",
          fields: [
            field("Integration", "xledger 1a000000-0000-4000-8000-000000000001"),
            field("Organisation", "0a000000-0000-4000-8000-000000000001"),
            field("Schedule", "0 2 * * 1-5 (Europe/Oslo)"),
            field("Due", "2026-11-24 02:00 UTC"),
            field("Late by", "7 m 12 s"),
            field("Since", "2026-11-24 02:07:12 UTC")
          ]
        },
        {
          type: "section",
          text: field(
            "Why",
            "No engine ticked between 2026-11-24 02:00 UTC and 2026-11-24 02:07:10 UTC."
          )
        },
        {
          type: "section",
          text: field("Next", "sync-scheduler explain 0a000000-0000-4000-8000-000000000001")
        }
      ]
    })
  })

  test("mention no user, and stay within Slack's limits", () => {
    const message = slackMessageOf(
      one({
        kind: "unknown",
        run: null,
        detail: { error_message: `<!channel> & ${"<".repeat(5_000)}` }
      })
    )
    const text = JSON.stringify(message)
    expect(text).not.toContain("<")
    expect(text).toContain("&lt;!channel&gt; &amp; ")
    for (const block of message.blocks) {
      const texts = "fields" in block ? (block.fields ?? []) : [block.text]
      const most = block.type === "header" ? 150 : "fields" in block ? 2_000 : 3_000
      for (const one of texts) expect(one?.text.length).toBeLessThanOrEqual(most)
    }
    const long = slackMessageOf(one({ kind: "x".repeat(400) }))
    expect(long.blocks[0]?.text?.text.length).toBe(150)
    expect(text).not.toMatch(/&\w*…/)
  })
})
