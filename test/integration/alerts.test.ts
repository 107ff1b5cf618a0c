import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { type HttpServer, serveHttp } from "../support/HttpServer.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

const secret = `whsec_${Buffer.from("a key of at least 24 bytes").toString("base64")}`

interface Received {
  readonly id: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly isSigned: boolean
}

let project: Project
let receiver: HttpServer
let events: Array<Received>
let pings: Array<string>
let status: number

beforeEach(async () => {
  events = []
  pings = []
  status = 204
  project = await startProject()
  receiver = await serveHttp(async (request) => {
    const { pathname } = new URL(request.url)
    const body = await request.text()
    if (pathname.startsWith("/ping")) {
      pings.push(`${pathname} ${body}`)
      return new Response("OK")
    }
    if (status < 300) events.push(read(request.headers, body))
    return new Response(null, { status })
  })
})
afterEach(async () => {
  await receiver.close()
  await project.close()
})

const read = (headers: Headers, body: string): Received => {
  const signed = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`
  const key = Buffer.from(secret.slice("whsec_".length), "base64")
  const mac = createHmac("sha256", key).update(signed).digest("base64")
  const { data, id, type } = JSON.parse(body)
  return { id, type, data, isSigned: headers.get("webhook-signature") === `v1,${mac}` }
}

const run = (more: Readonly<Record<string, string>> = {}) =>
  runBinary(["run", "-o", "json"], {
    env: {
      ...project.environment,
      SYNC_SCHEDULER_ALERT_WEBHOOK_URL: `${receiver.url}/hook`,
      SYNC_SCHEDULER_ALERT_WEBHOOK_SECRET: secret,
      SYNC_SCHEDULER_PING_URL: `${receiver.url}/ping`,
      ...more
    }
  })

/** The schedule has slots only on leap days, so no other slot becomes due. */
const dueSince = (span: string) => ({
  sync_schedule: "'0 0 29 2 *'",
  next_run_at: `now() - interval '${span}'`
})

const makeDue = (span: string) =>
  project.sql.unsafe(
    `update organization_integrations set next_run_at = now() - interval '${span}'`
  )

const lines = () => events.map(({ data, type }) => `${data.kind} ${type.split(".").at(-2)}`)

describe("the alerts for a sync that starts late", () => {
  test("one alert is sent when the delay begins, and one when the sync is on time again", async () => {
    const [id] = await project.seedDue(1, dueSince("6 minutes"))
    const first = await run()
    expect(first.code).toBe(0)
    expect(lines()).toEqual(["drift opened"])
    const [alert] = events
    expect(alert).toMatchObject({
      type: "dev.sync-scheduler.incident.opened.v1",
      isSigned: true,
      data: {
        integration_id: id,
        integration_type: "xledger",
        next: expect.stringMatching(/^sync-scheduler explain /)
      }
    })
    expect(Number(alert?.data.late_ms)).toBeGreaterThan(360_000)
    expect(alert?.data.text).toMatch(/Due: \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC\nLate by: 6 m/)

    await makeDue("7 minutes")
    await run()
    expect(lines()).toEqual(["drift opened"])

    await makeDue("1 second")
    await run()
    expect(lines()).toEqual(["drift opened", "drift resolved"])
    await run()
    expect(lines()).toEqual(["drift opened", "drift resolved"])
    expect(events.every(({ isSigned }) => isSigned)).toBe(true)
    expect(new Set(events.map((event) => event.id)).size).toBe(events.length)
    expect(pings.filter((ping) => ping.startsWith("/ping/start"))).toHaveLength(4)
    expect(pings.filter((ping) => /^\/ping \d due/.test(ping))).toHaveLength(4)
  }, 60_000)

  test("eight late syncs are one message", async () => {
    await project.seedDue(8, dueSince("6 minutes"))
    await run()
    expect(events).toMatchObject([
      {
        type: "dev.sync-scheduler.incidents.v1",
        isSigned: true,
        data: { opened: 8, resolved: 0, kinds: { drift: 8 } }
      }
    ])
    await run()
    expect(events).toHaveLength(1)
  }, 60_000)

  test("a failing receiver does not delay the tick, and a later tick sends the alert at its retry time", async () => {
    await project.seedDue(1, dueSince("6 minutes"))
    status = 500
    const first = await run()
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ completed: 1, errors: [] })
    expect(first.stderr).toContain("retried later: answered 500")
    status = 204
    await run()
    expect(events).toEqual([])
    await project.sql`update sync_incident set alert_not_before = now()`
    await run()
    expect(lines()).toEqual(["drift opened"])
    const [row] =
      await project.sql`select notified_at, alert_attempts, alert_error from sync_incident`
    expect(row).toMatchObject({
      notified_at: expect.any(Date),
      alert_attempts: 2,
      alert_error: null
    })
  }, 60_000)

  test("six concurrent engines send one alert", async () => {
    await project.seedDue(1, dueSince("6 minutes"))
    await Promise.all(Array.from({ length: 6 }, () => run()))
    await run()
    expect(lines()).toEqual(["drift opened"])
  }, 60_000)

  test("the ping reports a failure if the project cannot be reached", async () => {
    const { code } = await run({
      SUPABASE_URL: "http://127.0.0.1:9",
      SYNC_SCHEDULER_INTERVAL: "4s"
    })
    expect(code).toBe(5)
    expect(pings.map((ping) => ping.split(" ")[0])).toEqual(["/ping/start", "/ping/fail"])
    expect(pings[1]).toContain("errors: SUPABASE_UNREACHABLE")
  }, 60_000)
})

describe("notify test", () => {
  const notify = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
    runBinary(["notify", "test", ...args], { env })

  test("sends one message of each kind without a project, and prints the results", async () => {
    const { code, stdout } = await notify({
      SYNC_SCHEDULER_ALERT_WEBHOOK_URL: `${receiver.url}/hook`,
      SYNC_SCHEDULER_ALERT_WEBHOOK_SECRET: secret,
      SYNC_SCHEDULER_PING_URL: `${receiver.url}/ping`
    })
    expect(code).toBe(0)
    expect(lines()).toEqual(["test opened", "test resolved"])
    expect(events.every(({ isSigned }) => isSigned)).toBe(true)
    expect(pings).toEqual(["/ping/start a test of the ping", "/ping a test of the ping"])
    expect(stdout.match(/✓ accepted/g)).toHaveLength(4)
  })

  test("exits with 3 if a webhook refuses, and names the webhook", async () => {
    status = 410
    const { code, stderr, stdout } = await notify(
      { SYNC_SCHEDULER_ALERT_WEBHOOK_URL: `${receiver.url}/hook` },
      "-o",
      "json"
    )
    expect(code).toBe(3)
    expect(stderr).toBe("")
    expect(JSON.parse(stdout)).toEqual(
      ["opened", "resolved"].map((message) => ({
        channel: "cloudevents",
        message,
        ok: false,
        detail: "answered 410"
      }))
    )
  })

  test("exits with 2 without a receiver or with an invalid secret, and names the setting", async () => {
    const nobody = await notify({})
    expect([nobody.code, nobody.stdout]).toEqual([2, ""])
    expect(nobody.stderr).toContain("SYNC_SCHEDULER_ALERT_WEBHOOK_URL")
    expect(nobody.stderr).toContain("SYNC_SCHEDULER_PING_URL")
    const bad = await notify({ SYNC_SCHEDULER_ALERT_WEBHOOK_SECRET: "whsec_short" })
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain("openssl rand")
    expect(bad.stderr).not.toContain("whsec_short")
  })
})
