import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commands } from "../../src/Cli/Commands.ts"
import { table } from "../../src/Config.ts"
import { binaryPath } from "../support/binary.ts"
import { serveHttp } from "../support/HttpServer.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-commands-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test("no arguments: help on stdout, exit 0; misuse: on stderr, exit 2", async () => {
  const help = await runBinary([])
  expect(help.stdout).toStartWith("Sync Scheduler")
  expect({ stderr: help.stderr, code: help.code }).toEqual({ stderr: "", code: 0 })
  const wrong = await runBinary(["rnu"])
  expect(wrong.stderr).toContain('Did you mean "run"?')
  expect({ stdout: wrong.stdout, code: wrong.code }).toEqual({ stdout: "", code: 2 })
  const topic = await runBinary(["help", "rnu"])
  expect(topic.code).toBe(2)
})

describe("schedules next", () => {
  const next = (...args: ReadonlyArray<string>) => runBinary(["schedules", "next", ...args])

  test("-o json is an array of UTC instants, --from exclusive", async () => {
    const { stdout, code } = await next(
      "30 2 * * *",
      "--tz",
      "Europe/Oslo",
      "--from",
      "2026-10-24T00:30:00Z",
      "--count",
      "3",
      "-o",
      "json"
    )
    expect(JSON.parse(stdout)).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
      "2026-10-27T01:30:00.000Z"
    ])
    expect(code).toBe(0)
  })

  test("ten from now on in UTC by default", async () => {
    const { stdout } = await next("@hourly", "-o", "json")
    const slots: ReadonlyArray<string> = JSON.parse(stdout)
    expect(slots).toHaveLength(10)
    expect(slots.every((slot) => slot.endsWith(":00:00.000Z"))).toBe(true)
    expect(slots.toSorted()).toEqual([...slots])
  })

  test("as text, local time with its offset and zone", async () => {
    const from = "2026-03-29T00:00:00+01:00"
    const { stdout } = await next("30 2 * * *", "--tz=Europe/Oslo", `--from=${from}`, "--count=2")
    expect(stdout).toContain("2026-03-29 03:00 +02:00 Europe/Oslo  2026-03-29T01:00:00.000Z")
    expect(stdout.trimEnd().split("\n")).toHaveLength(3)
    const lines = await next("@daily", `--from=${from}`, "--count=1", "-o", "jsonl")
    expect(lines.stdout).toBe('"2026-03-29T00:00:00.000Z"\n')
  })

  test.each([
    [["61 * * * *"], "minute"],
    [["0 0 30 2 *"], "no time ever matches"],
    [["@daily", "--tz", "Europe/Atlantis"], "not an IANA time zone"],
    [["@daily", "--count", "0"], "from 1 to 1000"],
    [["@daily", "--count", "1001"], "from 1 to 1000"],
    [["@daily", "--count", "-3"], '--count is "-3"'],
    [["@daily", "--from", "2026-11-24T00:00:00"], "time zone"],
    [["@daily", "--from", "tomorrow"], "time zone"],
    [["@daily", "--from", "2026-13-24T00:00:00Z"], "time zone"]
  ])("%j is refused, exit 2", async (args, reason) => {
    const { stdout, stderr, code } = await next(...args)
    expect(stderr).toContain(reason)
    expect(stderr).toContain("fix: ")
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
  })
})

test("audit of a time to come is refused: nothing can be proven of it", async () => {
  for (const [window, reason] of [
    [["--from", "2999-01-01"], "2999-01-01 00:00 UTC, which is not before now"],
    [["--from", "2998-01-01", "--to", "2999-01-01"], "which is not before now"],
    [["--from", "1h", "--to", "2h"], "which is not before --to"]
  ] as const) {
    const { stdout, stderr, code } = await runBinary(["audit", ...window])
    expect(stderr).toContain(reason)
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
  }
})

describe("schedules validate", () => {
  const validate = (...args: ReadonlyArray<string>) => runBinary(["schedules", "validate", ...args])

  test("a valid one: its next slots, and the clock changes of two years", async () => {
    const text = await validate("30 2 * * *", "--tz", "Europe/Oslo")
    expect(text.stdout).toContain("✓ valid")
    expect(text.stdout.match(/does not exist on/g)).toHaveLength(2)
    expect(text.stdout.match(/occurs twice on/g)).toHaveLength(2)
    const json = await validate("30 2 * * *", "--tz", "Europe/Oslo", "-o", "json")
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: true,
      clock_changes: [{ at: expect.stringMatching(/T01:00:00.000Z$/) }, {}, {}, {}]
    })
    const utc = await validate("30 2 * * *")
    expect(utc.stdout).toContain("No clock change touches it")
    expect([text.code, json.code, utc.code]).toEqual([0, 0, 0])
  })

  test("an invalid one: exit 2", async () => {
    const text = await validate("every day")
    expect(text.stderr).toContain("fix: ")
    const json = await validate("0 0 30 2 *", "-o", "json")
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      error: { code: "SCHEDULE_INVALID", reason: "Impossible" }
    })
    expect([text.code, json.code]).toEqual([2, 2])
  })
})

test("schema print is the migrations, byte for byte and in order", async () => {
  const folder = join(import.meta.dir, "../../supabase/migrations")
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")))
  const { stdout, code } = await runBinary(["schema", "print"])
  expect(stdout).toBe(texts.join(""))
  expect(code).toBe(0)
  const json = await runBinary(["schema", "print", "-o", "json"])
  const files = JSON.parse(json.stdout).map(
    (one: { version: string; name: string }) => `${one.version}_${one.name}.sql`
  )
  expect(files).toEqual(names)
})

describe("env", () => {
  const key = `sb_secret_${"k".repeat(32)}`

  test("shows every setting with its origin, and no secret", async () => {
    await writeFile(join(directory, "sync-scheduler-concurrency"), "7\n")
    const env = {
      SUPABASE_SECRET_KEY: key,
      SUPABASE_DB_URL: "postgresql://postgres:kkkk@db.example.com/postgres",
      SYNC_SCHEDULER_INVOKE_TIMEOUT: "90s",
      CREDENTIALS_DIRECTORY: directory
    }
    const text = await runBinary(["env"], { env })
    for (const { key } of Object.values(table)) expect(text.stdout).toContain(key)
    expect(text.stdout).toMatch(/INVOKE_TIMEOUT +90s +environment/)
    expect(text.stdout).toMatch(/CONCURRENCY +7 +credential sync-scheduler-concurrency/)
    expect(text.stdout).toMatch(/LEASE_MARGIN +60s +default/)
    expect(text.stdout).toMatch(/SUPABASE_URL +- +not set/)
    const json = await runBinary(["env", "-o", "json"], { env })
    const rows: ReadonlyArray<{ key: string }> = JSON.parse(json.stdout).settings
    expect(rows.map((row) => row.key)).toEqual(Object.values(table).map((one) => one.key))
    expect(text.stdout + json.stdout).not.toContain("kkkk")
    expect([text.code, json.code]).toEqual([0, 0])
  })

  test("a malformed setting: exit 2, with the fix", async () => {
    const { stdout, stderr, code } = await runBinary(["env"], {
      env: { SYNC_SCHEDULER_LEASE_MARGIN: "1", SYNC_SCHEDULER_CONCURENCY: "4" }
    })
    expect(stdout).toMatch(/LEASE_MARGIN +- +refused/)
    expect(stderr).toContain("1s for seconds")
    expect(stderr).toContain("did you mean SYNC_SCHEDULER_CONCURRENCY?")
    expect(code).toBe(2)
  })
})

describe("completions", () => {
  test("bash offers every command, flag and value that there is, and nothing that there is not", async () => {
    const { stdout } = await runBinary(["completions", "bash"])
    const asked: Array<ReadonlyArray<string>> = []
    const expected: Array<string> = []
    const ask = (words: ReadonlyArray<string>, answer: ReadonlyArray<string>) => {
      asked.push(words)
      expected.push(answer.join(" "))
    }
    const firsts = [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))]
    ask([""], [...firsts, "help", "version", "--help", "--version"])
    for (const command of commands) {
      const words = command.name.split(" ")
      const flags = [...command.flags, { name: "help", value: undefined, choices: undefined }]
      const choices = command.positionals.flatMap((one) => one.choices ?? [])
      ask([...words, ""], [...choices, ...flags.map(({ name }) => `--${name}`)])
      for (const flag of flags) {
        if (flag.value !== undefined)
          ask([...words, `--${flag.name}`, ""], [...(flag.choices ?? [])])
      }
    }
    ask(["schedules", "next", "--co"], ["--count"])
    ask(["run", "-o", ""], ["text", "json", "jsonl"])
    const lines = asked.map((words) => {
      const line = ["sync-scheduler", ...words].map((word) => `'${word}'`).join(" ")
      return `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _sync_scheduler; echo "\${COMPREPLY[*]}"`
    })
    const child = Bun.spawn(["bash", "-c", [stdout, ...lines].join("\n")], { stdout: "pipe" })
    const answers = (await new Response(child.stdout).text()).split("\n").slice(0, -1)
    expect(answers.map((line, n) => `${asked[n]?.join(" ")} -> ${line}`)).toEqual(
      expected.map((line, n) => `${asked[n]?.join(" ")} -> ${line}`)
    )
  })

  test("zsh and fish are there; another shell is refused", async () => {
    const zsh = await runBinary(["completions", "zsh"])
    expect(zsh.stdout).toStartWith("#compdef sync-scheduler")
    const fish = await runBinary(["completions", "fish"])
    expect(fish.stdout).toContain("complete -c sync-scheduler")
    expect(fish.stdout).toContain("-l dry-run")
    const other = await runBinary(["completions", "csh"])
    expect(other.code).toBe(2)
  })
})

describe("ready", () => {
  test("asks /readyz: 0 when it is ready, else 1 with what is wrong in one line, whatever was asked wrongly", async () => {
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
    expect(not.stderr).toContain("/readyz answers 503: not ready: database")
    expect([not.code, not.stdout]).toEqual([1, ""])
    expect(new Set(paths)).toEqual(new Set(["/readyz"]))
    expect((await ready("--timeout", "0")).code).toBe(1)
    expect((await ready("--url", "nonsense")).code).toBe(1)
    expect((await ready("--nonsense")).code).toBe(1)
    await server.close()
    const gone = await ready()
    expect(gone.stderr).toContain("is serve running?")
    expect(gone.code).toBe(1)
  })
})

describe("install", () => {
  const deploy = join(import.meta.dir, "../../deploy")
  const places: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["systemd", ["sync-scheduler.service", "sync-scheduler.timer", "env.example"]],
    ["docker", ["Dockerfile.binary", "compose.yaml"]],
    ["k8s", ["cronjob.yaml", "deployment.yaml"]],
    ["pg_cron", ["pg_cron.sql", "pg_cron_uninstall.sql"]]
  ]

  test.each(places)("%s: prints the files as they are in deploy", async (target, names) => {
    const json = await runBinary(["install", target, "--print", "-o", "json"])
    const files: ReadonlyArray<{ path: string; text: string }> = JSON.parse(json.stdout)
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([...names]))
    const text = await runBinary(["install", target, "--print"])
    for (const file of files) {
      const folder = target === "pg_cron" ? deploy : join(deploy, target)
      expect(file.text).toBe(await readFile(join(folder, file.path), "utf8"))
      expect(text.stdout).toContain(file.text.trimEnd())
    }
    expect([json.code, text.code]).toEqual([0, 0])
  })

  test("writes them into a directory, and never over one: exit 3; neither is a matter of course", async () => {
    const into = join(directory, "units")
    const write = () => runBinary(["install", "systemd", "--write", into])
    expect((await write()).code).toBe(0)
    expect((await readdir(into)).toSorted()).toEqual(
      (await readdir(join(deploy, "systemd"))).toSorted()
    )
    expect(await write()).toMatchObject({ code: 0, stdout: expect.stringContaining("unchanged") })
    await writeFile(join(into, "sync-scheduler.timer"), "mine")
    const again = await write()
    expect(again.stdout).toMatch(/different +sync-scheduler\.timer/)
    expect(again.code).toBe(3)
    expect(await readFile(join(into, "sync-scheduler.timer"), "utf8")).toBe("mine")
    const neither = await runBinary(["install", "systemd"])
    expect(neither.stderr).toContain("--print")
    expect(neither.code).toBe(2)
    const wrong = await runBinary(["install", "sytemd", "--print"])
    expect(wrong.stderr).toContain('Did you mean "systemd"?')
    expect(wrong.code).toBe(2)
  })
})
