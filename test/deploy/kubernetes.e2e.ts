import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { freePort } from "../support/freePort.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Containers, startContainers } from "./support/Containers.ts"

setDefaultTimeout(900_000)

let project: Project
let containers: Containers

beforeAll(async () => {
  const binary = await binaryPath()
  project = await startProject()
  containers = await startContainers()
  copyFileSync(binary, join(containers.directory, "sync-scheduler"))
  chmodSync(join(containers.directory, "sync-scheduler"), 0o755)
})
afterAll(async () => {
  await containers?.close()
  await project?.close()
})

const completed = async (): Promise<number> => (await project.statuses()).completed ?? 0

const fillIn = (name: string, values: Readonly<Record<string, string>>): void => {
  const path = join(containers.directory, name)
  let text = readFileSync(path, "utf8")
  for (const [from, to] of Object.entries(values)) {
    expect(text).toContain(from)
    text = text.replaceAll(from, to)
  }
  writeFileSync(path, text)
}

test("deployment.yaml runs in podman", async () => {
  await containers.must(`set -e; export PATH="$PWD:$PATH"
    sync-scheduler install docker --write .; sync-scheduler install k8s --write .
    docker build -f Dockerfile.binary -t sync-scheduler:0.1.0 .; rm sync-scheduler`)
  // podman 4.3 does not decode a mounted Secret, so a host directory replaces the Secret.
  const credentials = join(containers.directory, "credentials")
  mkdirSync(credentials)
  writeFileSync(join(credentials, "supabase-secret-key"), project.gateway.secretKey)
  fillIn("deployment.yaml", {
    "https://<project-ref>.supabase.co": project.gateway.url,
    // The pod shares this machine's network, so it listens on a free port. No kubelet probes it.
    '"0.0.0.0:8787"': `"127.0.0.1:${await freePort()}"`,
    "          ports:\n            - { name: http, containerPort: 8787 }\n": "",
    "httpGet: { path: /livez, port: http }":
      "exec: { command: [/usr/local/bin/sync-scheduler, ready] }",
    "secret: { secretName: sync-scheduler, defaultMode: 0440 }": `hostPath: { path: ${credentials}, type: Directory }`
  })
  await project.seedDue(5)
  await containers.must("podman kube play --network host deployment.yaml")
  for (let tries = 0; (await completed()) < 5; tries++) {
    if (tries === 60) {
      const logs = await containers.run(
        "podman pod ps; podman ps -a; podman logs $(podman ps -aq --filter name=sync)"
      )
      throw new Error(`no tick within two minutes: ${logs.stdout}${logs.stderr}`)
    }
    await Bun.sleep(500)
  }
  const name = await containers.must(
    "podman ps --format '{{.Names}}' --filter name=pod-0-sync-scheduler | head -1"
  )
  const [{ HostConfig, Config }] = JSON.parse(await containers.must(`podman inspect ${name}`))
  expect(HostConfig.ReadonlyRootfs).toBe(true)
  expect(HostConfig.CapDrop.length).toBeGreaterThan(5)
  expect(JSON.stringify(Config)).not.toContain(project.gateway.secretKey)
  await containers.must("podman kube down deployment.yaml")
})
