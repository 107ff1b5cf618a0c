import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { rulesOf } from "../../scripts/release/Published.ts"
import { freePort } from "../support/freePort.ts"
import { type Project, startProject } from "../support/Project.ts"
import { findPrometheus, type Prometheus } from "../support/prometheus.ts"
import { queriesIn } from "../support/queries.ts"
import { runBinary } from "../support/runBinary.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"

setDefaultTimeout(120_000)

const deploy = join(import.meta.dir, "../../deploy")
const rules = join(deploy, "prometheus/rules.yaml")

let programs: Prometheus
let project: Project
let sidecar: Sidecar
let directory: string
beforeAll(async () => {
  programs = await findPrometheus()
  project = await startProject()
  directory = await mkdtemp(join(tmpdir(), "telemetry-"))
  await project.seedDue(2)
  sidecar = await startSidecar(project.environment, ["--interval", "1s"])
  await sidecar.awaitOutput("2 completed")
}, 180_000)
afterAll(async () => {
  sidecar?.kill("SIGKILL")
  await project?.close()
  await rm(directory, { recursive: true, force: true })
})

const promtool = async (args: ReadonlyArray<string>, input = "") => {
  const child = Bun.spawn([programs.promtool, ...args], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe"
  })
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  return { said: `${stdout}${stderr}`, code: await child.exited }
}

test("promtool check metrics finds no problem in the metrics of serve or in a metrics file", async () => {
  const { body, status } = await sidecar.get("/metrics")
  expect(status).toBe(200)
  expect(body).toContain('sync_scheduler_runs_total{integration_type="xledger",status="completed"')
  expect(body).toContain('sync_scheduler_schedules{state="on_time"} 2')
  expect(await promtool(["check", "metrics"], body)).toEqual({ said: "", code: 0 })

  const file = join(directory, "sync_scheduler.prom")
  for (let n = 0; n < 2; n++) {
    const { code } = await runBinary(["run", "--metrics-file", file], { env: project.environment })
    expect(code).toBe(0)
  }
  expect(await promtool(["check", "metrics"], await Bun.file(file).text())).toEqual({
    said: "",
    code: 0
  })
})

test("promtool accepts the rules and their tests, and detects a wrong alert", async () => {
  expect(await promtool(["check", "rules", rules])).toMatchObject({ code: 0 })
  const tests = join(deploy, "prometheus/rules_test.yaml")
  const { code, said } = await promtool(["test", "rules", tests])
  expect([said, code]).toEqual([expect.stringContaining("SUCCESS"), 0])

  const released = join(directory, "released")
  for (const file of ["rules.yaml", "rules_test.yaml"]) {
    const source = await Bun.file(join(deploy, "prometheus", file)).text()
    await Bun.write(join(released, file), rulesOf(source, "https://git.example.com/"))
  }
  expect(await promtool(["test", "rules", join(released, "rules_test.yaml")])).toMatchObject({
    said: expect.stringContaining("SUCCESS"),
    code: 0
  })

  const text = await Bun.file(rules).text()
  await Bun.write(join(directory, "rules.yaml"), text.replace("> 600", "> 6000"))
  await Bun.write(join(directory, "rules_test.yaml"), Bun.file(tests))
  expect(await promtool(["test", "rules", join(directory, "rules_test.yaml")])).toMatchObject({
    said: expect.stringContaining("SyncOverdue"),
    code: 1
  })
})

test("a real Prometheus scrapes serve, evaluates the rules, and can run every query of the dashboard", async () => {
  const port = await freePort()
  const config = join(directory, "prometheus.yml")
  await Bun.write(
    config,
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rules],
      scrape_configs: [
        { job_name: "sync-scheduler", static_configs: [{ targets: [new URL(sidecar.url).host] }] }
      ]
    })
  )
  const server = Bun.spawn(
    [
      programs.prometheus,
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`
    ],
    { stdout: "ignore", stderr: "ignore" }
  )
  try {
    const api = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`).catch(() => null)
      return answer?.ok ? answer.json() : null
    }
    const query = (text: string) => api(`query?query=${encodeURIComponent(text)}`)
    const isEvaluated = async () => {
      const groups = (await api("rules"))?.data?.groups ?? []
      return groups.some((group: { lastEvaluation: string }) => group.lastEvaluation > "1970")
    }
    const isScraped = async () =>
      (await query("sync_scheduler_runs_total"))?.data?.result?.[0]?.value?.[1] === "2"
    while (!((await isScraped()) && (await isEvaluated()))) await Bun.sleep(100)

    const { data } = await api("rules")
    const states: ReadonlyArray<string> = data.groups.flatMap(
      (group: { rules: ReadonlyArray<{ health: string; state: string }> }) =>
        group.rules.map(({ health, state }) => `${health}, ${state}`)
    )
    expect(states.filter((state) => !/^ok, (inactive|pending)$/.test(state))).toEqual([])
    const dashboard = await Bun.file(join(deploy, "grafana/sync-scheduler.json")).json()
    for (const text of queriesIn(dashboard)) {
      const bound = text
        .replaceAll("$__rate_interval", "1m")
        .replaceAll("$__range", "1h")
        .replaceAll(/\$(job|integration_type)/g, ".*")
      expect([text, (await query(bound))?.status]).toEqual([text, "success"])
    }
  } finally {
    server.kill("SIGKILL")
    await server.exited
  }
})
