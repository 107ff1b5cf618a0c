import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../functions/support/DenoServer.ts"
import { binaryPath } from "../support/binary.ts"
import { delay, ok } from "../support/FunctionBehaviour.ts"
import { freePort } from "../support/freePort.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Containers, startContainers } from "./support/Containers.ts"
import { blocksOf } from "./support/HowTo.ts"

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

const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 100) throw new Error(`not within two minutes: ${what}`)
    await Bun.sleep(500)
  }
}

const howTo = () =>
  blocksOf("sidecar.md", "sh", {
    "https://<project-ref>.supabase.co": project.gateway.url,
    "sb_secret_...": project.gateway.secretKey,
    "<your application's image>": "localhost/application:1"
  })

const buildsFromSource = async () => {
  const [, source = ""] = howTo()
  await containers.must(`set -e; cd ${root}; ${source}`)
  const stage = `cd ${root}; docker build -q --target build -t build -f deploy/docker/Dockerfile .`
  const inside = await containers.must(`set -e; ${stage}; docker run --rm build ls -A /source`)
  expect(inside).not.toMatch(/^(\.git|test|docs|dist)$/m)
  const version = await containers.must("docker run --rm sync-scheduler --version")
  expect(version).toStartWith("sync-scheduler ")
  console.log(`    from source: ${version.trim()}`)
}

const buildsAroundTheBinary = async () => {
  const [binary = ""] = howTo()
  // Skips the `cp` line, which would copy the binary onto itself.
  await containers.must(`set -e; PATH="$PWD:$PATH"; ${binary.replace(/^cp .*$/m, "")}`)
  const shown = await containers.must("docker inspect sync-scheduler")
  const [{ Config, Healthcheck, Size }] = JSON.parse(shown)
  expect(Config).toMatchObject({
    User: "65532:65532",
    Entrypoint: ["/usr/local/bin/sync-scheduler"],
    Cmd: ["serve"],
    StopSignal: "SIGTERM"
  })
  expect(Healthcheck).toMatchObject({ Test: ["CMD", "/usr/local/bin/sync-scheduler", "ready"] })
  console.log(`    ${Math.round(Size / 1e6)} MB`)
  const shell = await containers.run("docker run --rm --entrypoint /bin/sh sync-scheduler -c true")
  expect(shell.code).not.toBe(0)
}

const ticksOnce = async () => {
  const [, , once = ""] = howTo()
  await project.seedDue(5)
  expect(await containers.must(`set -e; ${once}`)).toContain("5 due: 5 completed")
  expect(await completed()).toBe(5)
  // The root file system is read-only even to a user with write permission.
  const write = "docker run --rm --read-only --user 0 --entrypoint /x sync-scheduler"
  expect((await containers.run(write)).code).not.toBe(0)
}

/** Adds the test's settings to the compose file. */
const withSettings = (settings: Readonly<Record<string, string>>): void => {
  const path = join(containers.directory, "compose.yaml")
  const format = "      SYNC_SCHEDULER_LOG_FORMAT: json\n"
  const lines = Object.entries(settings).map(([name, value]) => `      ${name}: "${value}"\n`)
  writeFileSync(path, readFileSync(path, "utf8").replace(format, format + lines.join("")))
}

const composes = async () => {
  const [, , , compose = ""] = howTo()
  withSettings({
    SYNC_SCHEDULER_LISTEN: `127.0.0.1:${await freePort()}`,
    SYNC_SCHEDULER_INTERVAL: "2s"
  })
  // This image represents the user's application.
  await containers.must(
    `printf 'FROM docker.io/oven/bun:1.4.5-debian\\nCMD ["sleep", "infinity"]\\n' > Application
     docker build -q -f Application -t localhost/application:1 .`
  )
  await project.seedDue(6)
  const before = await completed()
  await containers.must(`set -e; ${compose}`)
  await until("the sidecar's ticks", async () => (await completed()) === before + 6).catch(
    async (error) => {
      const look = "docker ps -a; for one in $(docker ps -aq); do docker logs $one; done"
      const { stderr, stdout } = await containers.run(look)
      throw new Error(`${stdout}${stderr}`, { cause: error })
    }
  )
  const name = (
    await containers.must("docker ps --format '{{.Names}}' --filter name=sync-scheduler")
  ).trim()
  expect(name).not.toBe("")
  await until("health", async () => {
    return (await containers.run(`docker healthcheck run ${name}`)).code === 0
  })
  const [{ HostConfig }] = JSON.parse(await containers.must(`docker inspect ${name}`))
  expect(HostConfig.ReadonlyRootfs).toBe(true)

  // Five runs are in flight. The scheduler records their outcomes before it exits.
  project.functions.behave(() => delay(3_000))
  await project.seedDue(5)
  const sent = project.functions.invocations.length
  await project.functions.arrived(sent + 5)
  await containers.must(`docker stop --time 200 ${name}`)
  const ended = await containers.must(`docker inspect ${name} --format '{{.State.ExitCode}}'`)
  expect(ended.trim()).toBe("0")
  expect(await completed()).toBe(before + 11)
  project.functions.behave(() => ok())
  const logs = await containers.run(`docker logs ${name}`)
  expect(`${logs.stdout}${logs.stderr}`.includes(project.gateway.secretKey)).toBe(false)
  const healthcheck = await containers.run(`docker start ${name} && docker healthcheck run ${name}`)
  console.log(`    healthcheck right after a start: exit ${healthcheck.code}`)
}

// Each step builds on the previous one.
test("the images and the compose file of deploy/docker can be built and run as documented", async () => {
  for (const step of [buildsAroundTheBinary, ticksOnce, composes, buildsFromSource]) {
    await step()
    console.log(`  ${step.name}: as it should be`)
  }
})
