import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Fiber, Layer, ManagedRuntime } from "effect"
import { migrations } from "../../src/Database/Migrations.ts"
import * as EmbeddedLive from "../../src/Layers/EmbeddedLive.ts"
import { EmbeddedDatabase } from "../../src/Services/EmbeddedDatabase.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { contractSql, echo, nothing } from "../contract/contractFunctions.ts"
import { serialization, supabaseContract } from "../contract/SupabaseContract.ts"

const execute = (script: string) =>
  Effect.gen(function* () {
    const database = yield* EmbeddedDatabase
    let rows: ReadonlyArray<Readonly<Record<string, unknown>>> = []
    for (const sql of script.split(/;\n(?=create|insert|truncate)/)) {
      rows = yield* database.query(sql)
    }
    return rows
  })

supabaseContract(
  "EmbeddedLive",
  async () => {
    const runtime = ManagedRuntime.make(EmbeddedLive.layer())
    await runtime.runPromise(execute(contractSql))
    return {
      layer: Layer.effect(
        Supabase,
        Effect.promise(() => runtime.runPromise(Supabase))
      ),
      execute: (sql) => runtime.runPromise(execute(sql)),
      stop: () => runtime.dispose()
    }
  },
  serialization
)

describe("EmbeddedLive", () => {
  const scratch = mkdtempSync(join(tmpdir(), "sync-scheduler-embedded-"))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const inDirectory = <A, E>(
    name: string,
    effect: Effect.Effect<A, E, Supabase | EmbeddedDatabase>
  ) =>
    Effect.runPromise(
      Effect.provide(effect, EmbeddedLive.layer({ dataDir: join(scratch, name) })).pipe(Effect.exit)
    )
  const versions = Effect.flatMap(EmbeddedDatabase, ({ query }) =>
    query("select version from supabase_migrations.schema_migrations order by version")
  )

  test("keeps the data of a directory and migrates it once, then applies newer migrations", async () => {
    const all = migrations.map(({ version }) => ({ version }))
    const made = await inDirectory(
      "kept",
      Effect.gen(function* () {
        expect(yield* versions).toEqual(all)
        const { query } = yield* EmbeddedDatabase
        yield* query("create table public.kept as select 1 as n")
        // Makes the database look as if the last migration had never been applied.
        yield* query("drop function public.read_sync_diagnosis(text[])")
        yield* query("drop function sync_scheduler.catalog(text[])")
        yield* query("drop function sync_scheduler.zone_offsets(text, timestamptz)")
        yield* query("drop function sync_scheduler.set_call_settings()")
        yield* query("drop function sync_scheduler.adoption_risks()")
        yield* query("delete from supabase_migrations.schema_migrations where name = 'doctor'")
      })
    )
    expect(made).toEqual(Exit.void)
    const reopened = await inDirectory(
      "kept",
      Effect.gen(function* () {
        expect(yield* versions).toEqual(all)
        const { query } = yield* EmbeddedDatabase
        return yield* query("select n from public.kept")
      })
    )
    expect(reopened).toEqual(Exit.succeed([{ n: 1 }]))
  }, 60_000)

  test("lets only one process open a directory, and names that process to others", async () => {
    const dataDir = join(scratch, "held")
    const code = `
      import { Effect } from "effect"
      import * as EmbeddedLive from "${import.meta.resolve("../../src/Layers/EmbeddedLive.ts")}"
      await Effect.runPromise(Effect.provide(Effect.sync(() => console.log("open")).pipe(Effect.zipRight(Effect.never)),
        EmbeddedLive.layer({ dataDir: ${JSON.stringify(dataDir)} })))`
    const script = join(import.meta.dir, `.holder-${process.pid}.ts`)
    writeFileSync(script, code)
    const holder = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "inherit" })
    try {
      const reader = holder.stdout.getReader()
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("open\n")
      const refused = await inDirectory("held", Effect.flip(Effect.void))
      expect(String(refused)).toContain(
        `Another sync-scheduler (process ${holder.pid}) is using this demo directory`
      )
    } finally {
      holder.kill("SIGKILL")
      await holder.exited
      rmSync(script)
    }
    // A killed process cannot release its lock, so the operating system must release it.
    expect(await inDirectory("held", Effect.asVoid(versions))).toEqual(Exit.void)
  }, 60_000)

  test("lets a process open a directory only once", async () => {
    const inner = Effect.provide(versions, EmbeddedLive.layer({ dataDir: join(scratch, "twice") }))
    const exit = await inDirectory("twice", Effect.flip(inner))
    expect(exit).toMatchObject({ value: { reason: "Rejected", code: "locked" } })
  }, 60_000)

  test("refuses an unusable directory and names it", async () => {
    writeFileSync(join(scratch, "file"), "")
    const exit = await inDirectory("file/below", versions)
    expect(String(exit)).toContain("file/below")
    expect(String(exit)).toContain("configuration")
  })

  test("refuses an incomplete directory without changing it", async () => {
    mkdirSync(join(scratch, "torn"))
    writeFileSync(join(scratch, "torn", "PG_VERSION"), "18\n")
    const exit = await inDirectory("torn", Effect.flip(versions))
    expect(String(exit)).toContain("torn cannot be opened")
    expect(String(exit)).toContain("configuration")
    expect(readdirSync(join(scratch, "torn"))).toEqual(["PG_VERSION"])
  }, 60_000)

  test("lets timers run between calls", async () => {
    const ticks = await Effect.runPromise(
      Effect.gen(function* () {
        const supabase = yield* Supabase
        let ticks = 0
        const timer = yield* Effect.fork(
          Effect.forever(Effect.sync(() => ticks++).pipe(Effect.zipRight(Effect.sleep(1))))
        )
        yield* Effect.forEach(Array.from({ length: 200 }), () => supabase.call(echo, nothing))
        yield* Fiber.interrupt(timer)
        return ticks
      }).pipe(
        (body) => Effect.zipRight(execute(contractSql), body),
        Effect.provide(EmbeddedLive.layer())
      )
    )
    expect(ticks).toBeGreaterThan(10)
  }, 60_000)
})
