import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

// The binary does not probe addresses of this machine, so these tests send no request.
let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())
beforeEach(async () => {
  await project.sql
    .unsafe("delete from organization_integrations; truncate integration_health, sync_run_log")
    .simple()
})

const probe = (args: ReadonlyArray<string> = []) =>
  runBinary(["probe", ...args], {
    env: { ...project.environment, SUPABASE_DB_URL: project.database.url }
  })

const seed = async (columns: Record<string, string>) => {
  const all = { ...columns, sync_schedule: "'0 0 1 1 *'", next_run_at: "now() + interval '1 day'" }
  await project.seedDue(1, all)
}

test("probe reports when nothing can be probed, and names types without an address", async () => {
  const empty = await probe()
  expect(empty).toMatchObject({ code: 0, stdout: "There is no accounting API to probe.\n" })
  await seed({ integration_type: "'netsuite'" })
  const { stderr } = await probe()
  expect(stderr).toContain(
    "note: netsuite is not probed: the address of its API is unknown. Set health_url"
  )
})

test("probe refuses an address of this machine; a second round within 15 minutes sends nothing", async () => {
  await seed({ integration_type: "'payroll'", health_url: "'https://127.0.0.1/health?key=secret'" })
  const dry = await probe(["--dry-run"])
  expect(dry.stdout).toContain("would be probed")
  expect(dry.stdout).not.toContain("secret")
  const first = await probe(["-o", "json"])
  expect(first.code).toBe(3)
  expect(JSON.parse(first.stdout)).toMatchObject({
    dry_run: false,
    probed: [
      {
        provider: "generic",
        host: expect.stringMatching(/^127\.0\.0\.1\/health~[0-9a-f]+$/),
        url: "https://127.0.0.1/health",
        result: "unreachable",
        code: "ADDRESS_REFUSED",
        message: "127.0.0.1 is not a public address",
        health: { status: "unknown", probes: 1 }
      }
    ],
    waiting: []
  })
  const second = await probe()
  expect(second.code).toBe(0)
  expect(second.stdout).toContain("- not now")
  expect(second.stdout).toContain("it was probed less than 15 minutes ago")
  const lines = (await probe(["-o", "jsonl"])).stdout.trim().split("\n")
  expect(lines.map((line) => JSON.parse(line).type)).toEqual(["waiting", "round"])
})

test("a thousand integrations on ten hosts cause ten probes", async () => {
  await project.sql.unsafe(`
    insert into organization_integrations (org_id, integration_type, sync_schedule, health_url, next_run_at)
    select gen_random_uuid(), 'payroll', '0 0 1 1 *', 'https://localhost:' || (9000 + n % 10) || '/health',
           now() + interval '1 day' from generate_series(1, 1000) n`)
  const { stdout } = await probe(["-o", "json"])
  const { probed } = JSON.parse(stdout)
  expect(probed).toHaveLength(10)
  const [row] =
    await project.sql`select sum(probes)::int as probes, count(*)::int as rows from integration_health`
  expect(row).toEqual({ probes: 10, rows: 10 })
  expect(JSON.parse((await probe(["-o", "json"])).stdout).probed).toEqual([])
})

test("a missing database exits with 5", async () => {
  const env = { ...project.environment, SUPABASE_DB_URL: "postgres://nobody@127.0.0.1:1/none" }
  expect((await runBinary(["probe"], { env })).code).toBe(5)
})
