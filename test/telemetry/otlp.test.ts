import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type OtlpReceiver, type Span, startOtlpReceiver } from "../support/OtlpReceiver.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"
import { startSidecar } from "../support/Sidecar.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())
beforeEach(async () => {
  await project.sql.unsafe("delete from organization_integrations; truncate sync_run_log").simple()
  project.functions.behave(Behaviour.ok)
})

const SECRETS = ["sb_secret_", "collector-token", "opaque-refresh-token"]

const environmentFor = (collector: { readonly url: string }) => ({
  ...project.environment,
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20collector-token,x-tenant=a"
})

const run = (collector: { readonly url: string }, env: Readonly<Record<string, string>> = {}) =>
  runBinary(["run", "-o", "json"], { env: { ...environmentFor(collector), ...env } })

const collecting = async (
  use: (collector: OtlpReceiver) => Promise<void>,
  answer?: () => Response
): Promise<void> => {
  const collector = await startOtlpReceiver(answer)
  try {
    await use(collector)
  } finally {
    await collector.close()
  }
}

const only = (spans: ReadonlyArray<Span>, name: string): Span => {
  const found = spans.filter((span) => span.name === name)
  expect(found.map((span) => span.name)).toEqual([name])
  const [span] = found
  if (span === undefined) throw new Error(name)
  return span
}

test("ticks, runs and HTTP requests are spans; each run begins its own trace, is linked to the tick, and sends its traceparent", () =>
  collecting(async (collector) => {
    const [id] = await project.seedDue(1, { config: `'{"token": "opaque-refresh-token"}'` })
    const { code, stderr } = await run(collector, {
      OTEL_SERVICE_NAME: "exports",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test%20run,service.name=other"
    })
    expect(stderr).toBe("")
    expect(code).toBe(0)

    const spans = collector.spans()
    const tick = only(spans, "Engine.tick")
    const runSpan = only(spans, "Engine.run")
    const http = only(spans, "Invoker.invoke")
    expect(runSpan.parentSpanId).toBeUndefined()
    expect(runSpan.traceId).not.toBe(tick.traceId)
    expect(runSpan.links).toMatchObject([{ traceId: tick.traceId, spanId: tick.spanId }])
    expect(runSpan.attributes).toMatchObject({
      "faas.trigger": "timer",
      "faas.cron": "0 4 29 2 *",
      "faas.time": expect.stringMatching(/^\d{4}-.*Z$/),
      "sync.integration_id": id,
      "sync.status": "completed"
    })
    expect(http).toMatchObject({ traceId: runSpan.traceId, parentSpanId: runSpan.spanId, kind: 3 })
    expect(http.attributes).toMatchObject({
      "faas.invoked_name": "integration-sync",
      "http.request.method": "POST",
      "http.response.status_code": 200
    })
    const [call] = project.functions.calls.slice(-1)
    expect(call?.headers.traceparent).toBe(`00-${http.traceId}-${http.spanId}-01`)
    for (const name of [
      "open_sync_tick",
      "start_sync_runs",
      "settle_sync_runs",
      "finish_sync_tick"
    ]) {
      expect(only(spans, name).traceId).toBe(tick.traceId)
    }
    expect(collector.resources()[0]).toMatchObject({
      "service.name": "exports",
      "deployment.environment.name": "test run"
    })
  }))

test("a failed run is a failed span with its code and without the function's message", () =>
  collecting(async (collector) => {
    await project.seedDue(1)
    project.functions.behave(() =>
      Behaviour.status(500, {
        success: false,
        error: { code: "TOKEN_EXPIRED", message: "opaque-refresh-token" }
      })
    )
    const { code } = await run(collector)
    expect(code).toBe(3)
    const spans = collector.spans()
    for (const name of ["Engine.run", "Invoker.invoke"]) {
      const span = only(spans, name)
      expect(span.attributes["error.type"]).toBe("TOKEN_EXPIRED")
      expect(span.status).toMatchObject({ code: 2, message: "TOKEN_EXPIRED" })
    }
    expect(only(spans, "Engine.tick").status.code).toBe(1)
  }))

test("metrics and logs are sent with the configured headers, and contain no secret", () =>
  collecting(async (collector) => {
    await project.seedDue(2, { config: `'{"token": "opaque-refresh-token"}'` })
    // A failed ping is logged during the tick.
    await run(collector, { SYNC_SCHEDULER_PING_URL: "http://127.0.0.1:1/opaque-refresh-token" })
    expect(collector.metrics()).toEqual(
      expect.arrayContaining([
        "sync_scheduler_runs_total",
        "sync_scheduler_ticks_total",
        "sync_scheduler_invoke_duration_seconds",
        "sync_scheduler_build_info"
      ])
    )
    expect(collector.logs().join("\n")).toContain('The ping "ok" was not accepted')
    expect(collector.requests.length).toBeGreaterThanOrEqual(3)
    for (const { headers, text } of collector.requests) {
      expect(headers.get("authorization")).toBe("Bearer collector-token")
      expect(headers.get("x-tenant")).toBe("a")
      for (const secret of SECRETS) expect(text).not.toContain(secret)
    }
  }))

test("the format is protobuf unless JSON is requested, sent under the endpoint's path", () =>
  collecting(async (collector) => {
    await run({ url: `${collector.url}/otlp` }, { OTEL_EXPORTER_OTLP_PROTOCOL: "" })
    const types = new Set(collector.requests.map(({ headers }) => headers.get("content-type")))
    expect([...types]).toEqual(["application/x-protobuf"])
    expect(new Set(collector.requests.map(({ path }) => path))).toContain("/otlp/v1/traces")
  }))

test("a tick that cannot reach its database is a failed span", () =>
  collecting(async (collector) => {
    const { code } = await run(collector, { SUPABASE_SECRET_KEY: "sb_secret_not_the_one" })
    expect(code).toBe(4)
    const span = only(collector.spans(), "Engine.tickAndNotify")
    expect(span.attributes["error.type"]).toBe("KEY_REFUSED")
    expect(span.status.code).toBe(2)
  }))

test("a collector that refuses, is down or never responds only causes a warning", async () => {
  const env = { OTEL_SERVICE_NAME: "x" }
  const silent = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Promise<Response>(() => {})
  })
  const gone = await startOtlpReceiver()
  await gone.close()
  try {
    await collecting(
      async (refusing) => {
        for (const collector of [refusing, gone, { url: `http://127.0.0.1:${silent.port}` }]) {
          await project.seedDue(1)
          const began = performance.now()
          const { code, stderr, stdout } = await run(collector, env)
          expect(JSON.parse(stdout)).toMatchObject({ completed: 1, errors: [] })
          expect(code).toBe(0)
          expect(stderr.split("could not be sent").length).toBeLessThanOrEqual(2)
          expect(performance.now() - began).toBeLessThan(30_000)
        }
      },
      () => new Response("no", { status: 401 })
    )
  } finally {
    await silent.stop(true)
  }
})

test("serve exports continuously, including the database's status, and exports the rest when it stops", () =>
  collecting(async (collector) => {
    await project.seedDue(3)
    const sidecar = await startSidecar(environmentFor(collector), ["--interval", "1h"])
    await sidecar.awaitOutput("3 completed")
    sidecar.kill("SIGTERM")
    expect((await sidecar.exited).code).toBe(0)
    expect(collector.spans().filter(({ name }) => name === "Engine.run").length).toBe(3)
    expect(collector.metrics()).toContain("sync_scheduler_schedules")
    expect(collector.logs().join("\n")).toContain("Listening on")
  }))

test("without telemetry nothing is sent, and a function gets its own unrecorded trace", () =>
  collecting(async (collector) => {
    await project.seedDue(2)
    for (const env of [{ OTEL_SDK_DISABLED: "true" }, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }]) {
      const { code, stderr } = await run(collector, env)
      expect(code).toBe(0)
      expect(stderr.includes('OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"')).toBe(
        "OTEL_EXPORTER_OTLP_PROTOCOL" in env
      )
    }
    expect(collector.requests.length).toBe(0)
    const parents = project.functions.calls
      .slice(-2)
      .map(({ headers }) => headers.traceparent ?? "")
    for (const parent of parents) expect(parent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(parents[0]?.slice(3, 35)).not.toBe(parents[1]?.slice(3, 35))
  }))
