import { afterEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { Effect, Either, Redacted } from "effect"
import type { AlertMessage } from "../../src/Domain/Alert.ts"
import * as NotifierLive from "../../src/Layers/NotifierLive.ts"
import { Notifier } from "../../src/Services/Notifier.ts"
import { alertOf, batchOf } from "../support/alerts.ts"
import { freePort } from "../support/freePort.ts"
import { serveHttp } from "../support/HttpServer.ts"
import { serveRaw } from "../support/RawServer.ts"

const one: AlertMessage = { _tag: "One", alert: alertOf({}), incidentIds: [42] }
const secret = `whsec_${Buffer.from("a key of at least 24 bytes").toString("base64")}`

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const receiver = async (answer: (request: Request) => Response) => {
  const requests: Array<{ readonly headers: Headers; readonly body: string }> = []
  const server = await serveHttp(async (request) => {
    requests.push({ headers: request.headers, body: await request.text() })
    return answer(request)
  })
  cleanups.push(server.close)
  return { url: server.url, requests }
}

const send = (
  url: string,
  more: Partial<NotifierLive.NotifierOptions> = {},
  message: AlertMessage = one
) =>
  Effect.flatMap(Notifier, (notifier) => notifier.send(message)).pipe(
    Effect.provide(
      NotifierLive.layer({
        url: Redacted.make(url),
        secret: Redacted.make(secret),
        format: "auto",
        source: "https://abc.supabase.co",
        version: "1.2.3",
        ...more
      })
    ),
    Effect.either,
    Effect.runPromise
  )

const failureOf = async (sent: ReturnType<typeof send>) => {
  const either = await sent
  if (Either.isRight(either)) throw new Error("it was taken")
  return either.left
}

describe("a webhook", () => {
  test("gets the CloudEvent with a verifiable signature", async () => {
    const { requests, url } = await receiver(() => new Response(null, { status: 204 }))
    const before = Math.floor(Date.now() / 1000)
    expect(Either.isRight(await send(`${url}/hook?token=1`))).toBe(true)
    const [request] = requests
    if (request === undefined) throw new Error("nothing came")
    const { body, headers } = request
    expect(headers.get("content-type")).toBe("application/cloudevents+json; charset=utf-8")
    expect(headers.get("user-agent")).toBe("sync-scheduler/1.2.3")
    expect(JSON.parse(body)).toMatchObject({ specversion: "1.0", id: "incident_42_opened" })
    const id = headers.get("webhook-id")
    const timestamp = Number(headers.get("webhook-timestamp"))
    expect(id).toBe("incident_42_opened")
    expect(timestamp).toBeGreaterThanOrEqual(before)
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000)
    const key = Buffer.from(secret.slice("whsec_".length), "base64")
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")
    expect(headers.get("webhook-signature")).toBe(`v1,${expected}`)
  })

  test("gets the same id for a repeated message, and another id for another incident", async () => {
    const { requests, url } = await receiver(() => new Response())
    await send(url)
    await send(url)
    await send(url, {}, { ...one, alert: alertOf({ incident_id: 43 }) })
    expect(requests.map(({ headers }) => headers.get("webhook-id"))).toEqual([
      "incident_42_opened",
      "incident_42_opened",
      "incident_43_opened"
    ])
  })

  test("gets no signature without a secret", async () => {
    const { requests, url } = await receiver(() => new Response())
    await send(url, { secret: null })
    expect(requests[0]?.headers.get("webhook-signature")).toBeNull()
    expect(requests[0]?.headers.get("webhook-id")).toBe("incident_42_opened")
  })

  test("gets more than five incidents as one event", async () => {
    const { requests, url } = await receiver(() => new Response())
    await send(url, {}, { _tag: "Many", batch: batchOf(8), incidentIds: batchOf(8).incident_ids })
    expect(JSON.parse(requests[0]?.body ?? "")).toMatchObject({
      type: "dev.sync-scheduler.incidents.v1",
      data: { total: 8 }
    })
  })

  test("that redirects counts as failed, and the target gets no request", async () => {
    const trap = await receiver(() => new Response())
    const { url } = await receiver(() => Response.redirect(`${trap.url}/elsewhere`, 307))
    expect(await failureOf(send(url))).toMatchObject({
      reason: "Refused",
      detail: "answered 307, a redirect, which is not followed"
    })
    expect(trap.requests).toEqual([])
  })

  test("fails with any response except 2xx, and the error contains the response and the requested wait", async () => {
    const { url } = await receiver(
      () => new Response("try\nlater", { status: 429, headers: { "retry-after": "90" } })
    )
    expect(await failureOf(send(url))).toMatchObject({
      reason: "Refused",
      detail: "answered 429: try later",
      retryAfterMs: 90_000
    })
  })

  test("can respond endlessly, because the response is truncated", async () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024))
    })
    const { url } = await receiver(() => new Response(endless, { status: 500 }))
    expect(await failureOf(send(url))).toMatchObject({ reason: "Refused" })
  })

  test("that does not respond is abandoned at the deadline", async () => {
    const server = await serveRaw(() => undefined)
    cleanups.push(server.stop)
    const failure = await failureOf(send(server.url, { timeoutMs: 200 }))
    expect(failure).toMatchObject({ reason: "TimedOut" })
    await server.closed
  })

  test("that is unreachable or closes the connection is reported without its URL", async () => {
    const dead = await failureOf(send(`http://127.0.0.1:${await freePort()}/T0/secret`))
    expect(dead).toMatchObject({ reason: "NotSent" })
    expect(dead.message).not.toContain("secret")
    const server = await serveRaw((socket) => socket.destroy())
    cleanups.push(server.stop)
    expect((await failureOf(send(`${server.url}/secret`))).message).not.toContain("secret")
  })
})

describe("the channel", () => {
  const channel = (url: string | null, format: NotifierLive.NotifierOptions["format"] = "auto") =>
    Effect.runSync(
      Effect.map(Notifier, (notifier) => notifier.channel).pipe(
        Effect.provide(
          NotifierLive.layer({
            url: url === null ? null : Redacted.make(url),
            secret: null,
            format,
            source: "urn:x",
            version: "1"
          })
        )
      )
    )

  test("depends on the host unless the settings name it", () => {
    expect(channel("https://hooks.slack.com/services/T/B/x")).toBe("slack")
    expect(channel("https://hooks.slack.com.example.com/x")).toBe("cloudevents")
    expect(channel("https://hooks.example.com/x", "slack")).toBe("slack")
    expect(channel("https://hooks.slack.com/x", "cloudevents")).toBe("cloudevents")
    expect(channel(null, "slack")).toBeNull()
  })

  test("Slack gets its blocks without a signature", async () => {
    const { requests, url } = await receiver(() => new Response("ok"))
    expect(Either.isRight(await send(url, { format: "slack" }))).toBe(true)
    expect(JSON.parse(requests[0]?.body ?? "")).toMatchObject({
      text: expect.stringContaining("7 m 12 s late"),
      blocks: [{ type: "header" }, { type: "section" }, { type: "section" }, { type: "section" }]
    })
    expect(requests[0]?.headers.get("webhook-signature")).toBeNull()
  })
})
