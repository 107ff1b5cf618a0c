import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { serveHttp } from "../../support/HttpServer.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

beforeAll(() => binaryPath())

describe("ready", () => {
  test("requests /readyz: exits with 0 if serve is ready, else with 1 and the problem in one line", async () => {
    let answer = () => new Response("ready\n")
    const paths: Array<string> = []
    const server = await serveHttp((request) => {
      paths.push(new URL(request.url).pathname)
      return answer()
    })
    const ready = (...args: ReadonlyArray<string>) =>
      runBinary(["ready", ...args], {
        env: { SYNC_SCHEDULER_LISTEN: `0.0.0.0:${new URL(server.url).port}` }
      })
    expect(await ready()).toEqual({ stdout: "ready\n", stderr: "", code: 0 })
    expect(await ready("--url", server.url)).toMatchObject({ code: 0 })
    answer = () => new Response("not ready: database\n", { status: 503 })
    const not = await ready()
    expect(not.stderr).toContain("/readyz responds with 503: not ready: database")
    expect([not.code, not.stdout]).toEqual([1, ""])
    expect(new Set(paths)).toEqual(new Set(["/readyz"]))
    expect((await ready("--timeout", "0")).code).toBe(1)
    expect((await ready("--url", "nonsense")).code).toBe(1)
    expect((await ready("--nonsense")).code).toBe(1)
    await server.close()
    const gone = await ready()
    expect(gone.stderr).toContain("check that serve is running")
    expect(gone.code).toBe(1)
  })
})
