import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { type CallTarget, callAll, type Verdicts } from "../support/callAll.ts"
import { freePort } from "../support/freePort.ts"
import {
  type Behaviour,
  headerOf,
  http,
  jsonOf,
  type RawServer,
  serveRaw,
  wrongCertificate
} from "../support/RawServer.ts"

const key = "sb_secret_not_a_real_one"
const json = { "content-type": "application/json" }
const begun = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n`

/** Server faults, with the outcomes in our client (`ours`) and in plain supabase-js (`theirs`). */
const scenarios: ReadonlyArray<{
  readonly name: string
  readonly behaviour: Behaviour
  readonly ours: string
  readonly theirs: string
  readonly timeoutMs?: number
}> = [
  {
    name: "an answer",
    behaviour: (s) => s.end(http("200 OK", "4", json)),
    ours: "ok",
    theirs: "ok"
  },
  {
    name: "closed unanswered",
    behaviour: (s) => s.destroy(),
    ours: "Ambiguous no_answer",
    theirs: "Ambiguous no_answer"
  },
  {
    name: "reset",
    behaviour: (s) => s.resetAndDestroy(),
    ours: "Ambiguous no_answer",
    theirs: "Ambiguous no_answer"
  },
  {
    name: "closed in mid body",
    behaviour: (s) => s.end(`${begun}{"a`),
    ours: "Ambiguous no_answer",
    theirs: "Ambiguous no_answer"
  },
  {
    name: "silent",
    behaviour: () => undefined,
    ours: "Ambiguous timeout",
    theirs: "Ambiguous timeout",
    timeoutMs: 300
  },
  {
    name: "silent in mid body",
    behaviour: (s) => s.write(begun),
    ours: "Ambiguous timeout",
    theirs: "Ambiguous timeout",
    timeoutMs: 300
  },
  {
    name: "an empty 404",
    behaviour: (s) => s.end(http("404 Not Found")),
    ours: "Malformed 404",
    theirs: "Malformed no_answer"
  },
  {
    name: "an empty 200",
    behaviour: (s) => s.end(http("200 OK")),
    ours: "Malformed no_answer",
    theirs: "Malformed no_answer"
  },
  {
    name: "a page",
    behaviour: (s) => s.end(http("502 Bad Gateway", "<html>")),
    ours: "Ambiguous 502",
    theirs: "Ambiguous 502"
  }
]

const deno = async (targets: ReadonlyArray<CallTarget>): Promise<Verdicts> => {
  const root = join(import.meta.dir, "../..")
  const flags = ["--no-remote", "--no-prompt", "--no-check", "--node-modules-dir=manual"]
  const child = Bun.spawn(
    [
      join(root, "node_modules/.bin/deno"),
      ...["run", ...flags, "--allow-net", "--allow-env"],
      join(root, "test/support/callAll.ts")
    ],
    { cwd: root, stdin: new Blob([JSON.stringify(targets)]), stderr: "pipe" }
  )
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  if ((await child.exited) !== 0) throw new Error(`deno: ${err}`)
  return JSON.parse(out)
}

describe.each([
  ["Bun", callAll],
  ["Deno", deno]
] as const)("a call over supabase-js in %s", (runtime, run) => {
  const servers = new Map<string, RawServer>()
  let verdicts: Verdicts = {}
  beforeAll(async () => {
    const targets: Array<CallTarget> = []
    // Each call gets its own server, because a reused connection can fail differently.
    for (const client of ["ours", "theirs"] as const) {
      const add = (name: string, url: string, timeoutMs = 20_000) =>
        targets.push({ name: `${name}, ${client}`, url, key, client, timeoutMs })
      for (const { name, behaviour, timeoutMs } of scenarios) {
        const server = await serveRaw(behaviour)
        servers.set(`${name}, ${client}`, server)
        add(name, server.url, timeoutMs)
      }
      const impostor = await serveRaw(() => undefined, wrongCertificate)
      servers.set(`another server's certificate, ${client}`, impostor)
      add("another server's certificate", impostor.url)
      add("no server", `http://127.0.0.1:${await freePort()}`)
      add("no such host", "http://no-such-host.invalid")
    }
    verdicts = await run(targets)
  }, 60_000)
  afterAll(() => {
    for (const server of servers.values()) server.stop()
  })

  test.each(scenarios)("has the expected outcome: $name", ({ name, ours, theirs }) => {
    expect(verdicts[`${name}, ours`]).toBe(ours)
    expect(verdicts[`${name}, theirs`]).toBe(theirs)
    for (const client of ["ours", "theirs"]) {
      expect(servers.get(`${name}, ${client}`)?.requests.length).toBe(1)
    }
  })

  test.each(["no server", "no such host", "another server's certificate"])(
    "is not sent: %s",
    (name) => {
      expect(verdicts[`${name}, ours`]).toBe("NotExecuted not_sent")
      // supabase-js keeps only the text of a certificate error. In Bun, that text does not prove that the request was not sent.
      const isProven = runtime === "Deno" || name !== "another server's certificate"
      expect(verdicts[`${name}, theirs`]).toBe(
        isProven ? "NotExecuted not_sent" : "Ambiguous no_answer"
      )
      expect(servers.get(`${name}, ours`)?.requests ?? []).toEqual([])
    }
  )

  test("names the client and sends the key in apikey only", () => {
    const [request = ""] = servers.get("an answer, ours")?.requests ?? []
    expect(request).toStartWith("POST /rest/v1/rpc/double ")
    expect(jsonOf(request)).toEqual({ p_n: 2 })
    expect(headerOf(request, "user-agent")).toBe("sync-scheduler/1.2.3")
    expect(headerOf(request, "apikey")).toBe(key)
    expect(headerOf(request, "authorization")).toBeUndefined()
  })
})
