import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { dumpMigrations, dumpSchema } from "../../scripts/dump-schema.ts"
import {
  connect,
  createDatabase,
  type PostgresServer,
  type TestDatabase
} from "../support/Postgres.ts"
import { readMigrations, runScripts } from "../support/PostgresTemplate.ts"
import { CLI_ENVIRONMENT, realCli } from "../support/SupabaseStandIn.ts"
import { SLOW, servers } from "./Ledger.ts"

const root = resolve(import.meta.dir, "../..")

test(
  "the migrations produce supabase/schema.sql and catalog.json (else: bun run schema)",
  async () => {
    const committed = (name: string) => readFileSync(join(root, "supabase", name), "utf8")
    // The 130 KB dump is compared line by line, for a readable diff.
    const { catalog, schema } = await dumpMigrations()
    expect(committed("schema.sql").split("\n")).toEqual(schema.split("\n"))
    expect(committed("catalog.json").split("\n")).toEqual(catalog.split("\n"))
  },
  SLOW
)

test("migration names begin with 14 digits of UTC, and each version is unique", () => {
  const names = readMigrations().map(({ name }) => name)
  for (const name of names) expect(name).toMatch(/^20\d{12}_[a-z_]+\.sql$/)
  expect(new Set(names.map((name) => name.slice(0, 14))).size).toBe(names.length)
})

for (const { title, open } of servers) {
  describe(`the migrations, on ${title}`, () => {
    let server: PostgresServer
    const opened: Array<() => Promise<void>> = []
    beforeAll(async () => {
      server = await open()
    }, SLOW)
    afterAll(async () => {
      for (const close of opened) await close()
    })

    const create = async (migrations: boolean): Promise<TestDatabase> => {
      const database = await createDatabase({ server, migrations })
      opened.push(database.drop)
      return database
    }
    const dump = async ({ url }: TestDatabase): Promise<string> => {
      const sql = connect(url, { max: 1 })
      await sql.unsafe("set search_path = ''")
      const text = await dumpSchema(async (query) => {
        const rows: ReadonlyArray<{ line: string }> = await sql.unsafe(query)
        return rows.map(({ line }) => line)
      })
      await sql.close()
      return text
    }

    test(
      "refuse or change nothing when each is applied again",
      async () => {
        const database = await create(false)
        const answers: Array<string> = []
        for (const migration of readMigrations()) {
          await runScripts(database.url, [migration])
          const before = await dump(database)
          const again = await runScripts(database.url, [migration]).then(
            () => "no-op",
            (error: unknown) => (error instanceof Error ? "refused" : "")
          )
          expect(await dump(database), migration.name).toBe(before)
          answers.push(`${migration.name.slice(8, 14)} ${again}`)
        }
        expect(answers.filter((answer) => answer.endsWith("no-op"))).toEqual([])
      },
      SLOW
    )

    test(
      "produce the same schema when the Supabase CLI pushes them; a faulty one leaves nothing behind",
      async () => {
        const database = await create(false)
        const project = mkdtempSync(join(tmpdir(), "sync-scheduler-cli-"))
        opened.push(async () => rmSync(project, { recursive: true, force: true }))
        cpSync(join(root, "supabase/migrations"), join(project, "supabase/migrations"), {
          recursive: true
        })
        cpSync(join(root, "supabase/config.toml"), join(project, "supabase/config.toml"))
        const cli = (...args: ReadonlyArray<string>) =>
          run(
            [...args, "--workdir", project, "--db-url", `${database.url}?sslmode=disable`],
            project
          )

        const first = await cli("db", "push", "--yes")
        expect([first.code, first.output]).toEqual([
          0,
          expect.stringContaining("Applying migration")
        ])
        expect(await dump(database)).toBe(await dump(await create(true)))
        const listed = await cli("migration", "list")
        for (const { name } of readMigrations()) {
          const version = name.slice(0, 14)
          expect(listed.output).toMatch(new RegExp(`${version}\\W+${version}`))
        }
        const second = await cli("db", "push", "--yes")
        expect(second.output).not.toContain("Applying migration")

        const before = await dump(database)
        writeFileSync(
          join(project, "supabase/migrations/20991231000000_broken.sql"),
          "create table public.half_done (n int);\nselect 1 / 0;\n"
        )
        const broken = await cli("db", "push", "--yes")
        expect(broken.code).not.toBe(0)
        expect(await dump(database)).toBe(before)
      },
      SLOW
    )
  })
}

/** Sends no telemetry, and has its own home directory. */
const run = (args: ReadonlyArray<string>, home: string) =>
  new Promise<{ readonly code: number | null; readonly output: string }>((done, fail) => {
    const child = spawn(realCli, [...args], {
      env: {
        PATH: process.env.PATH ?? "/usr/bin:/bin",
        HOME: home,
        ...CLI_ENVIRONMENT,
        NO_COLOR: "1"
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    child.stdout.on("data", (text) => {
      output += text
    })
    child.stderr.on("data", (text) => {
      output += text
    })
    child.on("error", fail)
    child.on("close", (code) => done({ code, output }))
  })
