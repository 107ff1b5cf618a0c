import { afterEach, expect, test } from "bun:test"
import { Effect, Either, Redacted } from "effect"
import * as PingLive from "../../src/Layers/PingLive.ts"
import { Ping, type PingSignal } from "../../src/Services/Ping.ts"
import { freePort } from "../support/freePort.ts"
import { serveHttp } from "../support/HttpServer.ts"
import { serveRaw } from "../support/RawServer.ts"

const rid = "3a000000-0000-4000-8000-000000000001"
const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const check = async (status = 200) => {
  const pings: Array<string> = []
  const server = await serveHttp(async (request) => {
    const { pathname, search } = new URL(request.url)
    pings.push(`${request.method} ${pathname}${search} ${await request.text()}`)
    return new Response("OK", { status })
  })
  cleanups.push(server.close)
  return { url: server.url, pings }
}

const ping = (url: string | null, signal: PingSignal, body = "3 due") =>
  Effect.flatMap(Ping, (service) => service.send(signal, rid, body)).pipe(
    Effect.provide(
      PingLive.layer({
        url: url === null ? null : Redacted.make(url),
        version: "1.2.3",
        timeoutMs: 300
      })
    ),
    Effect.either,
    Effect.runPromise
  )

test("pings for start, success and failure carry the tick's id", async () => {
  const { pings, url } = await check()
  for (const signal of ["start", "ok", "fail"] as const) await ping(`${url}/uuid`, signal)
  expect(pings).toEqual([
    `POST /uuid/start?rid=${rid} 3 due`,
    `POST /uuid?rid=${rid} 3 due`,
    `POST /uuid/fail?rid=${rid} 3 due`
  ])
})

test("the URL's own query parameters are kept", async () => {
  const { pings, url } = await check()
  await ping(`${url}/key/slug?create=1`, "start")
  expect(pings).toEqual([`POST /key/slug/start?create=1&rid=${rid} 3 due`])
})

test("nothing happens without a ping URL", async () => {
  expect(Either.isRight(await ping(null, "ok"))).toBe(true)
})

test.each([404, 302, 500])("a ping answered with %p is reported as rejected", async (status) => {
  const { url } = await check(status)
  const sent = await ping(`${url}/uuid`, "ok")
  expect(Either.getLeft(sent)).toMatchObject({
    value: { reason: "Refused", detail: `answered ${status}` }
  })
})

test("an unreachable or silent server is reported without the URL, which is secret", async () => {
  const dead = await ping(`http://127.0.0.1:${await freePort()}/uuid`, "ok")
  expect(Either.getLeft(dead)).toMatchObject({ value: { reason: "NotSent" } })
  const silent = await serveRaw(() => undefined)
  cleanups.push(silent.stop)
  const slow = await ping(`${silent.url}/uuid`, "ok")
  expect(Either.getLeft(slow)).toMatchObject({ value: { reason: "TimedOut" } })
  expect(JSON.stringify([dead, slow])).not.toContain("uuid")
})
