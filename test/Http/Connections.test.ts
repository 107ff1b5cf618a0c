import { expect, test } from "bun:test"
import { Connections } from "../../src/Http/Connections.ts"

/** `send` returns whether the request used a new connection. */
const onClock = () => {
  let now = 1_000_000
  const connections = new Connections(() => now)
  const send = (end: "answered" | "lost") => {
    const connection = connections.next()
    connection[end]()
    return connection.init.keepalive === false
  }
  return { send, pass: (seconds: number) => (now += seconds * 1000) }
}

test("kept connections are reused while responses arrive", () => {
  const { pass, send } = onClock()
  for (let n = 0; n < 100; n++) {
    expect(send("answered")).toBe(false)
    pass(14)
  }
})

test("after a request without a response, no kept connection is used until the runtime has closed them all", () => {
  const { pass, send } = onClock()
  send("answered")
  expect(send("lost")).toBe(false)
  for (let n = 0; n < 31; n++) {
    expect(send("answered")).toBe(true)
    pass(10)
  }
  expect(send("answered")).toBe(false)
})

test("after a silence of 15 s, no kept connection is used", () => {
  const { pass, send } = onClock()
  send("answered")
  pass(16)
  expect(send("answered")).toBe(true)
  // By default, `serve` sends one request per minute.
  for (let minute = 1; minute <= 4; minute++) {
    pass(60)
    expect(send("answered")).toBe(true)
  }
  pass(60)
  expect(send("answered")).toBe(false)
})

test("a clock change only causes more new connections", () => {
  const { pass, send } = onClock()
  send("answered")
  pass(-3600)
  expect(send("answered")).toBe(false)
  pass(60)
  expect(send("answered")).toBe(true)
  pass(-3600)
  expect(send("answered")).toBe(true)
})

test("new connections are kept after a night, because the runtime has closed all old connections", () => {
  const { pass, send } = onClock()
  send("answered")
  pass(8 * 3600)
  expect(send("answered")).toBe(false)
})
