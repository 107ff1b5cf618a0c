import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import {
  type DenoServer,
  exampleFunction,
  serveWithDeno
} from "../../functions/support/DenoServer.ts"
import { binaryPath } from "../../support/binary.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

let project: Project
let example: DenoServer
const booked: Array<unknown> = []
const api = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    booked.push(await request.json())
    return new Response("{}", { status: Number(new URL(request.url).pathname.slice(1)) })
  }
})
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  example = await serveWithDeno(exampleFunction, {
    SUPABASE_URL: project.gateway.url,
    SUPABASE_SECRET_KEY: project.gateway.secretKey
  })
}, 120_000)
afterAll(async () => {
  await example.stop()
  await api.stop(true)
  await project.close()
})

const seed = (answer: number) =>
  project.seedDue(1, {
    org_name: `'Org ${answer}'`,
    fenced: "true",
    on_unknown: "'hold'",
    config: `'{"endpoint": "${api.url.origin}/${answer}"}'`
  })
const invoke = (...args: ReadonlyArray<string>) =>
  runBinary(["invoke", ...args], { env: project.environment })

test("a local function receives the real body once, marked as a trial, and nothing is recorded", async () => {
  const [id = ""] = await seed(200)
  const count = booked.length
  const { code, stderr, stdout } = await invoke("Org 200", "--local", example.url)
  expect([code, stderr]).toEqual([0, ""])
  expect(stdout).toContain("Org 200 / xledger, a trial: nothing is recorded")
  expect(stdout).toMatch(/✓ completed {2}HTTP 200 in \d+/)
  expect(stdout).toContain('"trial":true')
  const json = JSON.parse((await invoke(id, "--local", example.url, "-o", "json")).stdout)
  expect(json).toMatchObject({ status: "completed", outcome: "Completed", http_status: 200 })
  expect(json.idempotency_key).toStartWith("trial:")
  expect(booked).toHaveLength(count + 2)
  expect(await project.statuses()).toEqual({})
})

test("invoke explains how other responses would be judged", async () => {
  await seed(422)
  const failed = await invoke("Org 422", "--local", example.url)
  expect([failed.code, failed.stdout]).toEqual([3, expect.stringContaining("✗ failed  HTTP 500")])
  expect(failed.stdout).toContain("HTTP_422")
  await seed(503)
  const unknown = await invoke("Org 503", "--local", example.url)
  expect(unknown.stdout).toContain("? unknown  HTTP 504")
  expect(unknown.stdout).toContain("An operator must decide: runs retry, or runs release.")
})

test("a hosted function refuses a trial, and no other host is called", async () => {
  await seed(201)
  const hosted = await serveWithDeno(exampleFunction, {
    SUPABASE_URL: "https://abcdefghijklmnopqrst.supabase.co",
    SUPABASE_SECRET_KEY: project.gateway.secretKey
  })
  const count = booked.length
  const refused = await invoke("Org 201", "--local", hosted.url)
  await hosted.stop()
  expect([refused.code, refused.stdout]).toEqual([
    3,
    expect.stringContaining("supabase functions serve")
  ])
  expect(booked).toHaveLength(count)
  for (const [url, said] of [
    ["https://example.com/f", "not on this machine"],
    ["nonsense", "not an http URL"]
  ] as const) {
    const wrong = await invoke("Org 201", "--local", url)
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(said)])
  }
  const none = await invoke("Org 201")
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("invoke needs --local")])
})
