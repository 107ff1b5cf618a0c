import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { seedFixture } from "../support/OperatorFixture.ts"
import { type Project, startProject } from "../support/Project.ts"
import { expectTranscript, type Replacements, transcriptOf } from "../support/Transcript.ts"
import { uuid } from "../support/World.ts"

setDefaultTimeout(120_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-transcripts-"))
}, 120_000)
afterAll(() => rm(directory, { recursive: true, force: true }))

const everywhere = (project: Project): Replacements => [
  [project.gateway.url, "https://abcdefghijklmnopqrst.supabase.co"],
  [directory, "/tmp"],
  [/responds in [\d.]+ m?s/g, "responds in 83 ms"],
  [/PostgreSQL \d+\.\d+/g, "PostgreSQL 17.6"],
  [
    /within [\d.]+ m?s of the database's \(± [\d.]+ m?s\)/g,
    "within 12 ms of the database's (± 41 ms)"
  ]
]

/** Omits the settings between the first and the last, because settings change often. */
const THE_REST = [/(SYNC_SCHEDULER_LEASE_MARGIN)[\s\S]*?(?=error:)/, "...\n"] as const

test("doctor matches its transcripts for a faulty set-up, in a pipe and on narrow and wide terminals", async () => {
  const project = await startProject()
  try {
    await project.seedDue(1, { id: `'${uuid(1)}'`, sync_schedule: "'61 * * * *'" })
    await project.seedDue(1, { id: `'${uuid(2)}'`, timezone: "'Europe/Atlantis'" })
    await project.sql
      .unsafe(`
        grant execute on function public.trigger_sync_run(uuid, text, text) to anon;
        drop index public.sync_run_log_slot;`)
      .simple()
    const options = {
      env: { ...project.environment, SYNC_SCHEDULER_INVOKE_TIMEOUT: "10m" },
      replacements: everywhere(project)
    }
    await expectTranscript("doctor", await transcriptOf(["doctor"], options))
    for (const columns of [80, 140]) {
      const text = await transcriptOf(["doctor"], { ...options, columns })
      await expectTranscript(`doctor-${columns}`, text)
    }
  } finally {
    await project.close()
  }
})

test("check, env, install and ready match their transcripts", async () => {
  const project = await startProject()
  try {
    await seedFixture(project.sql)
    const options = {
      env: {
        ...project.environment,
        SYNC_SCHEDULER_CONCURRENCY: "8",
        SYNC_SCHEDULER_INVOKE_TIMEOUT: "155",
        SYNC_SCHEDULER_DRIFT_ALLERT: "5m",
        SYNC_SCHEDULER_LISTEN: "127.0.0.1:1"
      },
      replacements: everywhere(project)
    }
    const {
      SYNC_SCHEDULER_INVOKE_TIMEOUT: _,
      SYNC_SCHEDULER_DRIFT_ALLERT: __,
      ...good
    } = options.env
    const fine = { ...options, env: good }
    const parts = [
      await transcriptOf(["check"], fine),
      await transcriptOf(["check", "--overdue", "10m,1h", "--failing", "99"], fine),
      await transcriptOf(["check", "--overdue", "1h", "--failing", "99", "--retrying", "2,"], fine),
      await transcriptOf(["check", "--overdue", "10m,5m"], fine)
    ]
    await expectTranscript("check", parts.join("\n"))
    for (const columns of [80, 140]) {
      const replacements = [...options.replacements, THE_REST] as const
      const text = await transcriptOf(["env"], { ...options, columns, replacements })
      await expectTranscript(`env-${columns}`, text)
    }
    const installs = [
      await transcriptOf(["install", "systemd", "--write", join(directory, "units")], options),
      await transcriptOf(["install", "systemd", "--write", join(directory, "units")], options),
      await transcriptOf(["install", "systemd"], options),
      await transcriptOf(["install", "kubernetes", "--print"], options)
    ]
    await expectTranscript("install", installs.join("\n"))
    await expectTranscript("ready", await transcriptOf(["ready"], fine))
    const lines = installs.join("\n").split("\n")
    expect(lines.every((line) => line === line.trimEnd())).toBe(true)
  } finally {
    await project.close()
  }
})
