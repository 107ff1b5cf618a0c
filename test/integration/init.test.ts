import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { readFence } from "../../src/Cli/Init/FunctionFiles.ts"
import { migrations } from "../../src/Database/Migrations.ts"
import { binaryPath } from "../support/binary.ts"
import { connect, createDatabase } from "../support/Postgres.ts"
import { runBinary } from "../support/runBinary.ts"
import { CLI_ENVIRONMENT } from "../support/SupabaseStandIn.ts"

setDefaultTimeout(180_000)

const root = join(import.meta.dir, "../..")
let place: string
beforeAll(async () => {
  await binaryPath()
  place = await mkdtemp(join(tmpdir(), "sync-scheduler-init-"))
}, 120_000)
afterAll(() => rm(place, { recursive: true, force: true }))

/** Paths are relative to supabase/. */
const project = async (name: string, files: Readonly<Record<string, string>> = {}) => {
  const directory = join(place, name)
  await mkdir(directory, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, "supabase", path)), { recursive: true })
    await writeFile(join(directory, "supabase", path), text)
  }
  return directory
}

const treeOf = async (directory: string): Promise<Record<string, string>> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(
    files.map(async (file) => {
      const path = join(file.parentPath, file.name)
      return [path.slice(directory.length + 1), await readFile(path, "utf8")] as const
    })
  )
  return Object.fromEntries(texts)
}

const init = (cwd: string, ...args: ReadonlyArray<string>) =>
  runBinary(["init", ...args], { cwd, env: {} })

const statuses = (stdout: string): Record<string, string> => {
  const { files }: { files: ReadonlyArray<{ path: string; status: string }> } = JSON.parse(stdout)
  return Object.fromEntries(files.map(({ path, status }) => [path, status]))
}

const first = `supabase/migrations/${migrations[0]?.version}_${migrations[0]?.name}.sql`
const example = "supabase/functions/integration-sync/index.ts"
const fence = "supabase/functions/_shared/syncRun.ts"

test("an empty directory gets every migration and function of the repository", async () => {
  const directory = await project("empty")
  const dry = await init(directory, "--dry-run")
  expect(dry.stdout).toContain("Nothing was written.")
  expect([dry.code, await treeOf(directory)]).toEqual([0, {}])

  const { code, stdout, stderr } = await init(directory)
  expect([code, stderr]).toEqual([0, ""])
  expect(stdout).toContain("[functions.integration-sync]\n    verify_jwt = false")
  const tree = await treeOf(directory)
  expect(Object.keys(tree)).toEqual(expect.arrayContaining([first, example, fence]))
  expect(tree[fence]).toBe(readFence())
  for (const [path, text] of Object.entries(tree).filter(([path]) => path !== fence)) {
    expect([path, text]).toEqual([path, await readFile(join(root, path), "utf8")])
  }
  // The fence is one file, and the engine's optional bundle is omitted.
  expect(
    Object.keys(tree)
      .filter((path) => !path.includes("/migrations/"))
      .toSorted()
  ).toEqual([
    fence,
    "supabase/functions/integration-sync/deno.json",
    "supabase/functions/integration-sync/exportPeriod.ts",
    example
  ])
  const inRepository = await readdir(join(root, "supabase/migrations"))
  expect(Object.keys(tree).filter((path) => path.startsWith("supabase/migrations")).length).toBe(
    inRepository.length
  )

  const again = await init(place, "empty", "-o", "json")
  expect(new Set(Object.values(statuses(again.stdout)))).toEqual(new Set(["unchanged"]))
  expect([again.code, await treeOf(directory)]).toEqual([0, tree])
})

test("a project keeps its own files, and init requests no setting that its functions already have", async () => {
  const directory = await project("existing", {
    "config.toml": 'project_id = "x"\n[functions.integration-sync]\nverify_jwt = false\n',
    "migrations/20250101000000_own.sql": "create table own (id int);\n",
    "migrations/20990101000000_later.sql": "create table later (id int);\n",
    "functions/integration-sync/index.ts": "// ours\n",
    "functions/_shared/cors.ts": "export {}\n"
  })
  // Git converts line endings on Windows. `init` treats a converted file as unchanged.
  const text = await readFile(join(root, first), "utf8")
  await writeFile(join(directory, first), text.replaceAll("\n", "\r\n"))
  const before = await treeOf(directory)
  const { code, stdout } = await init(directory, "-o", "json")
  const report = JSON.parse(stdout)
  expect([code, statuses(stdout)]).toEqual([
    0,
    expect.objectContaining({ [first]: "unchanged", [example]: "kept", [fence]: "created" })
  ])
  expect(statuses(stdout)["supabase/functions/integration-sync/deno.json"]).toBe("left_out")
  expect(report.later_migrations).toEqual(["20990101000000_later.sql"])
  expect(report.config_toml ?? "").not.toContain("integration-sync")
  expect(await treeOf(directory)).toMatchObject(before)
  expect((await init(directory)).stdout).toContain("db push --include-all")
})

test("files that differ, and the files that belong with them, are reported and left unchanged", async () => {
  const directory = await project("conflict", {
    [first.slice(9)]: "-- edited\n",
    "functions/_shared/syncRun.ts": "// another\n"
  })
  await mkdir(join(directory, "supabase/functions/integration-sync"), { recursive: true })
  await symlink("/nowhere/at/all", join(directory, example))
  const before = await treeOf(directory)
  const { code, stdout } = await init(directory)
  expect(code).toBe(3)
  expect(stdout).toContain(`different  ${first}  (its text differs)`)
  expect(stdout).toContain(`different  ${fence}`)
  expect(stdout).toContain("diff -ru supabase new/supabase")
  const after = Object.entries(await treeOf(directory))
  expect(Object.fromEntries(after)).toEqual(before)

  const twin = await project("twin", {
    [`migrations/${migrations[1]?.version}_theirs.sql`]: "select 1;\n",
    functions: "a file\n"
  })
  const clash = await init(twin, "-o", "jsonl")
  expect(clash.code).toBe(3)
  expect(clash.stdout).toContain(`${migrations[1]?.version}_theirs.sql has the same version`)
  expect(clash.stdout).toContain("ENOTDIR")
  expect(Object.keys(await treeOf(twin)).length).toBe(2)
})

test("the engine's Edge Function is written on request, and updated from then on", async () => {
  const directory = await project("edge", { "config.toml": "" })
  expect((await init(directory, "--engine", "edge")).code).toBe(0)
  const tree = await treeOf(directory)
  expect(Object.keys(tree)).toContain("supabase/functions/sync-scheduler/engine.js")
  expect(tree["supabase/config.toml"]).toContain("[functions.sync-scheduler]\nverify_jwt = false")
  const again = await init(directory, "-o", "json")
  expect(statuses(again.stdout)).toMatchObject({
    "supabase/functions/sync-scheduler/engine.js": "unchanged",
    "supabase/config.toml": "unchanged"
  })
  const odd = await init(directory, "--function", "../etc")
  expect([odd.code, odd.stdout]).toEqual([2, ""])
})

test("an unwritable directory is an error that says what to do", async () => {
  const directory = await project("file")
  await writeFile(join(directory, "not-a-directory"), "")
  const misuse = await init(directory, "not-a-directory")
  expect([misuse.code, misuse.stdout]).toEqual([2, ""])
  expect(misuse.stderr).toMatch(/error: .*not-a-directory is not a directory[\s\S]*fix: /)
  const impossible = await init(directory, "/proc/nowhere")
  expect(impossible.code).toBe(2)
  expect(impossible.stderr).toMatch(/Not all files could be written[\s\S]*fix: /)
})

test("supabase db push applies the files of init to a real PostgreSQL", async () => {
  const directory = await project("push", { "config.toml": 'project_id = "push"\n' })
  expect((await init(directory)).code).toBe(0)
  const database = await createDatabase({ migrations: false })
  const sql = connect(database.url, { max: 1 })
  try {
    const env = {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      HOME: place,
      ...CLI_ENVIRONMENT
    }
    const push = async () => {
      const child = Bun.spawn(
        [join(root, "node_modules/.bin/supabase"), "db", "push", "--yes", "--db-url", database.url],
        { cwd: directory, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" }
      )
      const [stdout, stderr, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited
      ])
      return { text: stdout + stderr, code }
    }
    const pushed = await push()
    expect([pushed.code, pushed.text]).toEqual([0, expect.stringContaining("Finished")])
    const [{ version }] = await sql`select sync_scheduler.schema_version() as version`
    expect(version).toBe(migrations.at(-1)?.version)
    const rows =
      await sql`select version from supabase_migrations.schema_migrations order by version`
    expect(rows.map((row: { version: string }) => row.version)).toEqual(
      migrations.map((one) => one.version)
    )
    expect((await push()).text).toContain("up to date")
  } finally {
    await sql.close()
    await database.drop()
  }
})
