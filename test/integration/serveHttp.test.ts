import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { once } from "node:events"
import { connect } from "node:net"
import { binaryPath } from "../support/binary.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"
import { ADMIN_TOKEN, codeOf, json } from "../support/TestSite.ts"

setDefaultTimeout(60_000)
let project: Project
let sidecar: Sidecar
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  sidecar = await startSidecar(
    { ...project.environment, SYNC_SCHEDULER_ADMIN_TOKEN: ADMIN_TOKEN },
    ["--allow-actions", "--interval", "1s"]
  )
}, 120_000)
afterAll(async () => {
  sidecar.kill("SIGKILL")
  await project.close()
}, 60_000)

/** Returns everything received until the connection closes. */
const raw = async (request: string): Promise<string> => {
  const socket = connect(Number(new URL(sidecar.url).port), "127.0.0.1")
  let answer = ""
  socket.on("data", (bytes) => {
    answer += bytes.toString("latin1")
  })
  socket.on("error", () => undefined)
  socket.write(request)
  await once(socket, "close")
  return answer
}

const get = (target: string, host = "localhost", more = "") =>
  raw(
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\nConnection: close\r\n${more}\r\n`
  )

test("the next tick performs an action, which is recorded with actor and reason", async () => {
  const [id] = await project.seedDue(1, { next_run_at: "now() + interval '1 year'" })
  const answer = await fetch(
    `${sidecar.url}/api/integrations/${id}/trigger`,
    json({ reason: "asked by the customer", actor: "support" })
  )
  expect(answer.status).toBe(200)
  const { run_id } = await answer.json()
  await project.functions.arrived(1)
  let run = await (await fetch(`${sidecar.url}/api/runs/${run_id}`)).json()
  while (run.run.status !== "completed") {
    run = await (await fetch(`${sidecar.url}/api/runs/${run_id}`)).json()
  }
  expect(run.run.trigger).toBe("manual")
  expect(run.events[0]).toMatchObject({
    kind: "triggered",
    actor: "support (api)",
    reason: "asked by the customer"
  })
  const { body } = await sidecar.get("/metrics")
  expect(body).toContain('sync_scheduler_runs_total{integration_type="xledger",status="completed"')
})

test("the API returns the same JSON as the command line", async () => {
  const [id] = await project.seedDue(1, { next_run_at: "now() + interval '1 year'" })
  for (const [words, path] of [
    [["status", "--all"], "/api/status"],
    [["schedules", "list"], "/api/schedules"],
    [["schedules", "show", id ?? ""], `/api/schedules/${id}`],
    [["runs", "list"], "/api/runs"],
    [["explain", id ?? ""], `/api/explain?integration=${id}`]
  ] as const) {
    const ask = async () => {
      const { code, stdout } = await runBinary([...words, "-o", "json"], {
        env: project.environment
      })
      const answer = await fetch(`${sidecar.url}${path}`)
      expect([words[0], code, answer.status]).toEqual([words[0], 0, 200])
      return { said: shapeOf(JSON.parse(stdout)), answered: shapeOf(await answer.json()) }
    }
    // The API's data can be a second old, and a tick might be recorded within that second.
    let both = await ask()
    for (let again = 0; again < 5 && !Bun.deepEquals(both.answered, both.said); again++) {
      await Bun.sleep(1_000)
      both = await ask()
    }
    expect([words[0], both.answered]).toEqual([words[0], both.said])
  }
})

/** Returns the paths of all fields, including those of array elements. */
const shapeOf = (value: unknown, path = ""): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null) return []
  const isList = Array.isArray(value)
  const paths = Object.entries(value).flatMap(([key, one]) => {
    const here = isList ? `${path}[]` : `${path}.${key}`
    return isList ? shapeOf(one, here) : [here, ...shapeOf(one, here)]
  })
  return [...new Set(paths)].toSorted()
}

describe("a hostile request is refused", () => {
  test.each([
    ["/../../etc/passwd", 404],
    ["/..%2f..%2fetc%2fpasswd", 404],
    ["/assets/../page.css", 404],
    ["/run/%00", 404],
    ["//livez.evil.example/run", 404],
    ["/org/<script>alert(1)</script>", 404],
    ["/api/runs/1%20or%201=1", 400],
    ["/api/runs?cursor=%27%3B--", 400],
    ["/api/status?search=%25%27%5C%00", 200],
    [`/?q=${"a".repeat(3_000)}`, 414]
  ])("%s", async (target, status) => {
    const answer = await get(target)
    expect(answer.split("\r\n")[0]).toStartWith(`HTTP/1.1 ${status} `)
    expect(answer).toMatch(/\r\nx-content-type-options: nosniff\r\n/i)
    expect(answer).toMatch(/\r\ncache-control: no-store\r\n/i)
    expect(answer).not.toContain("<script>alert")
    expect(answer).not.toContain("root:")
  })

  test("for another host name", async () => {
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1@evil.example", ""]) {
      expect(await get("/api/status", host)).toMatch(/^HTTP\/1\.1 (421|400|404) /)
    }
    expect(await get("/api/status", "127.0.0.1:1")).toStartWith("HTTP/1.1 200 ")
  })

  test("with endless headers or an endless body", async () => {
    expect(await get("/", "localhost", `X-Big: ${"a".repeat(100_000)}\r\n`)).not.toContain("200 OK")
    const body = JSON.stringify({ reason: "x".repeat(1_000_000) })
    const [id] = await project.seedDue(1, { enabled: "false" })
    const answer = await fetch(`${sidecar.url}/api/integrations/${id}/resume`, json(body))
    expect(answer.status).toBe(413)
    const chunk = `${"f".repeat(4_096)}`
    const chunked = await raw(
      `POST /api/integrations/${id}/resume HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n` +
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
        `1000\r\n${chunk}\r\n`.repeat(20) +
        "0\r\n\r\n"
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 (413|400) /)
    const [row] = await project.sql`select enabled from organization_integrations where id = ${id}`
    expect(row.enabled).toBe(false)
  })

  test("that is not HTTP", async () => {
    for (const nonsense of [
      "\r\n\r\n",
      "GET\r\n\r\n",
      "\u0016\u0003\u0001\u0002\u0000\r\n\r\n",
      "A".repeat(200_000)
    ]) {
      expect(await raw(nonsense)).not.toContain("200 OK")
    }
    expect((await sidecar.get("/livez")).status).toBe(200)
  })

  test("requests beyond the limit get a Retry-After, none hangs, and probes still get responses", async () => {
    const many = await Promise.all([
      ...Array.from({ length: 300 }, () => fetch(`${sidecar.url}/api/runs`)),
      fetch(`${sidecar.url}/livez`)
    ])
    const statuses = new Set(many.map(({ status }) => status))
    expect(many.at(-1)?.status).toBe(200)
    expect([...statuses].every((status) => status === 200 || status === 503)).toBe(true)
    const refused = many.find(({ status }) => status === 503)
    if (refused !== undefined) expect(await codeOf(refused)).toBe("BUSY")
  })
})
