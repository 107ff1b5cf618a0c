import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"

setDefaultTimeout(60_000)

const folder = join(import.meta.dir, "../../deploy/k8s")
const parse = async (name: string) => Bun.YAML.parse(await readFile(join(folder, name), "utf8"))

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly containers: ReadonlyArray<{
          readonly args: ReadonlyArray<string>
          readonly env: ReadonlyArray<{ readonly name: string; readonly value: string }>
          readonly ports: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
          readonly livenessProbe: Probe
          readonly readinessProbe: Probe
        }>
      }
    }
  }
}
interface PodMonitor {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly podMetricsEndpoints: ReadonlyArray<{
      readonly port: string
      readonly path: string
      readonly authorization: {
        readonly credentials: { readonly name: string; readonly key: string }
      }
    }>
  }
}

const { spec } = (await parse("deployment.yaml")) as Deployment
const [container] = spec.template.spec.containers
const [scrape] = ((await parse("podmonitor.yaml")) as PodMonitor).spec.podMetricsEndpoints
const secret = (await parse("secret.example.yaml")) as {
  readonly metadata: { readonly name: string }
  readonly stringData: Readonly<Record<string, string>>
}
const TOKEN = "a-token-of-the-tests-4f1c9a07e2"

let project: Project
let sidecar: Sidecar
let credentials: string
beforeAll(async () => {
  project = await startProject()
  credentials = await mkdtemp(join(tmpdir(), "sync-scheduler-credentials-"))
  // Creates one file per key of the Secret, with the values below.
  const values: Readonly<Record<string, string>> = {
    "supabase-secret-key": project.gateway.secretKey,
    "sync-scheduler-admin-token": TOKEN
  }
  for (const key of Object.keys(secret.stringData)) {
    await writeFile(join(credentials, key), values[key] ?? "")
  }
  const given = container?.env.map(({ name, value }) => [name, value]) ?? []
  sidecar = await startSidecar(
    {
      ...Object.fromEntries(given),
      SUPABASE_URL: project.gateway.url,
      SYNC_SCHEDULER_LISTEN: "0.0.0.0:0",
      CREDENTIALS_DIRECTORY: credentials
    },
    container?.args.slice(1)
  )
}, 120_000)
afterAll(async () => {
  sidecar?.kill("SIGTERM")
  await sidecar?.exited
  await project?.close()
  await rm(credentials, { recursive: true, force: true })
})

/** Sends the pod's address as the host, as the kubelet and Prometheus do. */
const ask = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${/\d+(?=\D*$)/.exec(sidecar.url)?.[0]}${path}`, {
    headers: { host: "10.244.1.7:8787", ...headers }
  })

test("the port has one name everywhere, and the selectors match the pod's labels", async () => {
  expect(container?.env).toContainEqual({ name: "SYNC_SCHEDULER_LISTEN", value: "0.0.0.0:8787" })
  expect(container?.ports).toEqual([{ name: "http", containerPort: 8787 }])
  const { labels } = spec.template.metadata
  const monitor = (await parse("podmonitor.yaml")) as PodMonitor
  expect(monitor.spec.selector.matchLabels).toEqual(labels)
  expect(await parse("service.yaml")).toMatchObject({
    spec: { selector: labels, ports: [{ name: "http", targetPort: "http" }] }
  })
  expect(await parse("networkpolicy.yaml")).toMatchObject({
    spec: {
      podSelector: { matchLabels: labels },
      ingress: [{ ports: [{ port: "http" }] }]
    }
  })
  expect(await parse("ingress.example.yaml")).toMatchObject({
    spec: {
      rules: [
        {
          http: {
            paths: [{ backend: { service: { name: "sync-scheduler", port: { name: "http" } } } }]
          }
        }
      ]
    }
  })
  expect(scrape?.port).toBe("http")
  expect(secret.metadata.name).toBe(scrape?.authorization.credentials.name ?? "")
  expect(Object.keys(secret.stringData)).toContain(scrape?.authorization.credentials.key ?? "")
})

test("the probes need no token", async () => {
  for (const probe of [container?.livenessProbe, container?.readinessProbe]) {
    expect(probe?.httpGet.port).toBe("http")
    const path = probe?.httpGet.path ?? ""
    let answer = await ask(path)
    for (let tries = 0; !answer.ok && tries < 100; tries++) {
      await Bun.sleep(100)
      answer = await ask(path)
    }
    expect([path, answer.status]).toEqual([path, 200])
  }
})

test("metrics and pages require the token of the Secret", async () => {
  const path = scrape?.path ?? ""
  expect([path, (await ask(path)).status]).toEqual(["/metrics", 401])
  const answer = await ask(path, { authorization: `Bearer ${TOKEN}` })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toContain("sync_scheduler_build_info{")
  expect((await ask("/api/status")).status).toBe(401)
})
