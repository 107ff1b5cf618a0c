import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { delay, ok, ownError } from "../support/FunctionBehaviour.ts"
import { freePort } from "../support/freePort.ts"
import { type Project, startProject } from "../support/Project.ts"
import { blocksOf } from "./support/HowTo.ts"
import { bootMachine, type Machine } from "./support/Machine.ts"

setDefaultTimeout(900_000)

let project: Project
let machine: Machine

beforeAll(async () => {
  const binary = await binaryPath()
  project = await startProject()
  machine = await bootMachine((root) => {
    mkdirSync(join(root, "download"))
    copyFileSync(binary, join(root, "download/sync-scheduler"))
  })
})
afterAll(async () => {
  await machine?.close()
  await project?.close()
})

const UNIT = "sync-scheduler.service"
const ALERT = `sync-scheduler-alert@${UNIT}.service`

const completed = async (): Promise<number> => (await project.statuses()).completed ?? 0

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 360) throw new Error(`not within three minutes: ${what}`)
    await Bun.sleep(500)
  }
}

const journal = (unit = "sync-scheduler*"): Promise<string> =>
  machine.must(`journalctl --no-pager -o cat -u '${unit}'`)

const show = async (unit: string, property: string): Promise<string> =>
  (await machine.must(`systemctl show '${unit}' -p ${property} --value`)).trim()

const configure = (name: string, text: string): void =>
  writeFileSync(join(machine.root, "etc/sync-scheduler", name), text, { mode: 0o600 })

/** systemd forgets the exit status of a unit that exited successfully. */
const STATUS = `ExecStopPost=/bin/bash -c 'echo "exit status $$EXIT_STATUS"'`

const dropIn = async (unit: string, text: string): Promise<void> => {
  const directory = join(machine.root, `etc/systemd/system/${unit}.d`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "test.conf"), `[Service]\n${STATUS}\n${text}\n`)
  await machine.must("systemctl daemon-reload")
}

/** Returns the exit status and the number of alerts that the tick raised. */
const tickOnce = async () => {
  await machine.must(`systemctl reset-failed '${ALERT}' ${UNIT} 2>/dev/null; true`)
  const before = await alerts()
  const { code } = await machine.run(`systemctl start ${UNIT}`)
  await machine.must(
    `while ! systemctl list-jobs | grep -q '^No jobs' || systemctl show '${ALERT}' -p ActiveState | grep -q activating; do sleep 0.1; done`
  )
  const [, status] = [...(await journal(UNIT)).matchAll(/^exit status (\d+)$/gm)].at(-1) ?? []
  return { started: code === 0, status: Number(status), alerted: (await alerts()) - before }
}

const alerts = async (): Promise<number> =>
  (await machine.must("journalctl --no-pager -o cat -p crit")).split("so syncs may be missed")
    .length - 1

const settings = () => `SUPABASE_URL=${project.gateway.url}\n`

const howTo = () =>
  blocksOf("systemd.md", "sh", {
    "https://<project-ref>.supabase.co": project.gateway.url,
    "sb_secret_...": project.gateway.secretKey
  })

const installs = async () => {
  const [install = "", once = ""] = howTo()
  await machine.must(`set -e; cd /download; ${install}`)
  await project.seedDue(5)
  expect(await machine.must(`set -e; ${once}`)).toContain("5 due: 5 completed")
  expect(await completed()).toBe(5)
  expect(await show(UNIT, "Result")).toBe("success")
}

const isHardened = async () => {
  for (const unit of [UNIT, "sync-scheduler-serve.service"]) {
    const { code, stdout } = await machine.run(`systemd-analyze security --threshold=15 ${unit}`)
    expect([code, stdout.trim().split("\n").at(-1)]).toEqual([0, expect.stringContaining("OK")])
    console.log(`    ${stdout.trim().split("\n").at(-1)}`)
  }
  const verified = await machine.run(`systemd-analyze verify ${UNIT} sync-scheduler.timer`)
  expect([verified.code, verified.stderr]).toEqual([0, ""])
}

const passesCredentials = async () => {
  configure("sync-scheduler-ping-url", `${project.functions.url}/ping`)
  await dropIn(UNIT, "ExecStart=\nExecStart=/usr/local/bin/sync-scheduler env -o json")
  await machine.must(`systemctl start ${UNIT}`)
  const said = await journal(UNIT)
  const line = said.split("\n").findLast((one) => one.startsWith("{")) ?? "{}"
  const rows: ReadonlyArray<{ key: string; source: string }> = JSON.parse(line).settings ?? []
  const sources = Object.fromEntries(rows.map(({ key, source }) => [key, source]))
  expect(sources).toMatchObject({
    SUPABASE_URL: "environment",
    SUPABASE_SECRET_KEY: "credential supabase-secret-key",
    SYNC_SCHEDULER_PING_URL: "credential sync-scheduler-ping-url",
    SUPABASE_DB_URL: "not set"
  })
  await dropIn(UNIT, "")
  configure("sync-scheduler-ping-url", "")

  // With a credential for a direct database connection, the tick makes no API call.
  configure("supabase-db-url", project.database.url)
  await project.seedDue(3)
  const calls = project.gateway.faults.calls("open_sync_tick")
  const before = await completed()
  expect(await tickOnce()).toEqual({ started: true, status: 0, alerted: 0 })
  expect(await completed()).toBe(before + 3)
  expect(project.gateway.faults.calls("open_sync_tick")).toBe(calls)
  configure("supabase-db-url", "")

  const everything = await machine.must(`journalctl --no-pager -o json; systemctl show ${UNIT}`)
  expect(everything.includes(project.gateway.secretKey)).toBe(false)
}

const firesOnTimer = async () => {
  const [, , timer = ""] = howTo()
  await project.seedDue(4)
  const before = await completed()
  expect(await machine.must(`set -e; ${timer}`)).toContain(UNIT)
  await until("a first firing", async () => (await completed()) === before + 4)
  await project.seedDue(4)
  await until("a second firing", async () => (await completed()) === before + 8)
  expect(await show("sync-scheduler.timer", "AccuracyUSec")).toBe("1s")
  console.log(`    last firing: ${await show("sync-scheduler.timer", "LastTriggerUSec")}`)
  await machine.must("systemctl stop sync-scheduler.timer")
  await until("the end of the tick", async () => (await show(UNIT, "ActiveState")) !== "activating")
}

const alertsOnlyWhenBroken = async () => {
  configure("env", `${settings()}SYNC_SCHEDULER_CONCURRENCY=many\n`)
  expect(await tickOnce()).toEqual({ started: false, status: 2, alerted: 1 })
  configure("env", settings())
  configure("supabase-secret-key", "sb_secret_of_somebody_else")
  expect(await tickOnce()).toEqual({ started: false, status: 4, alerted: 1 })
  configure("supabase-secret-key", project.gateway.secretKey)
  configure("env", "SUPABASE_URL=http://127.0.0.1:9\n")
  expect(await tickOnce()).toEqual({ started: false, status: 5, alerted: 1 })
  // A second failure within 15 minutes raises no second alert.
  const before = await alerts()
  await machine.run(`systemctl start ${UNIT}`)
  await machine.must("while ! systemctl list-jobs | grep -q '^No jobs'; do sleep 0.1; done")
  expect(await alerts()).toBe(before)
  configure("env", settings())

  project.functions.behave(() => ownError())
  await project.seedDue(2)
  expect(await tickOnce()).toEqual({ started: true, status: 3, alerted: 0 })
  expect(await show(UNIT, "Result")).toBe("success")
  project.functions.behave(() => ok())
}

const stopsCleanly = async () => {
  project.functions.behave(() => delay(3_000))
  await project.seedDue(20)
  const before = await completed()
  const sent = project.functions.invocations.length
  await machine.must(`systemctl start --no-block ${UNIT}`)
  await project.functions.arrived(sent + 5)
  await machine.must(`systemctl stop ${UNIT}`)
  expect(await show(UNIT, "Result")).toBe("success")
  const done = await completed()
  expect(done - before).toBeGreaterThanOrEqual(5)
  expect(project.functions.invocations.length - sent).toBe(done - before)
  project.functions.behave(() => ok())
  expect(await tickOnce()).toEqual({ started: true, status: 0, alerted: 0 })
  expect(await completed()).toBe(before + 20)
}

const serves = async () => {
  const address = `127.0.0.1:${await freePort()}`
  configure("env", `${settings()}SYNC_SCHEDULER_LISTEN=${address}\nSYNC_SCHEDULER_INTERVAL=2s\n`)
  await project.seedDue(6)
  const before = await completed()
  const [, , , serve = ""] = howTo()
  const [enable, ready] = serve.split(/(?=sync-scheduler ready)/)
  await machine.must(`set -e; ${enable}`)
  await until("serve to be ready", async () => {
    return (await machine.run(`SYNC_SCHEDULER_LISTEN=${address} ${ready}`)).code === 0
  })
  await until("serve's ticks", async () => (await completed()) === before + 6)

  project.functions.behave(() => delay(3_000))
  await project.seedDue(5)
  const sent = project.functions.invocations.length
  await project.functions.arrived(sent + 5)
  await machine.must("systemctl stop sync-scheduler-serve.service")
  expect(await show("sync-scheduler-serve.service", "Result")).toBe("success")
  expect(await show("sync-scheduler-serve.service", "ExecMainStatus")).toBe("0")
  expect(await completed()).toBe(before + 11)
  project.functions.behave(() => ok())
}

/** A hostile working directory or environment must not turn the binary into a Bun interpreter. */
const ignoresHostileEnvironment = async () => {
  const hostile = join(machine.root, "srv/hostile")
  mkdirSync(hostile, { recursive: true })
  writeFileSync(
    join(hostile, ".env"),
    "SUPABASE_URL=https://from-dotenv.example\nSYNC_SCHEDULER_LIMIT=0\n"
  )
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./evil.ts"]\n')
  writeFileSync(join(hostile, "evil.ts"), 'console.log("EVIL"); process.exit(0)\n')
  writeFileSync(join(hostile, "package.json"), '{"main": "evil.ts"}')
  writeFileSync(join(hostile, "tsconfig.json"), "not json")
  await machine.must(
    "systemctl set-environment BUN_OPTIONS='--preload=/srv/hostile/evil.ts' NODE_OPTIONS=--import=/srv/hostile/evil.ts"
  )
  configure(
    "env",
    `${settings()}BUN_OPTIONS=--preload=/srv/hostile/evil.ts\nBUN_BE_BUN=1\nBUN_INSPECT=127.0.0.1:0\nNODE_OPTIONS=--require=/srv/hostile/evil.ts\n`
  )
  await dropIn(UNIT, "WorkingDirectory=/srv/hostile")
  await project.seedDue(5)
  const before = await completed()
  expect(await tickOnce()).toEqual({ started: true, status: 0, alerted: 0 })
  expect(await completed()).toBe(before + 5)
  expect(await journal()).not.toContain("EVIL")
  expect(await journal()).not.toContain("from-dotenv")
}

// Each step builds on the previous one.
test("the systemd units work in a booted Debian, from installation to alerts", async () => {
  const [version = ""] = (await machine.must("systemctl --version")).split("\n")
  console.log(
    `  ${version}, ${readFileSync(join(machine.root, "etc/debian_version"), "utf8").trim()}`
  )
  const steps = [
    installs,
    isHardened,
    passesCredentials,
    alertsOnlyWhenBroken,
    stopsCleanly,
    serves,
    ignoresHostileEnvironment,
    firesOnTimer
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      console.error(await journal())
      throw error
    }
    console.log(`  ${step.name}: as it should be`)
  }
})
