import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { readMigrations } from "../support/PostgresTemplate.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`
const ORG = id(900)
const UNRELATED = id(999)

/** Status words of adopted logs, including the scheduler's own. */
const WORDS = [
  ...["success", "error", "in_progress", "queued", "SUCCESS", "Running", "done", "", "pending"],
  ...["running", "completed", "failed", "unknown", "skipped"]
]
const OVERDUE = 1
const NO_ORG = 30
const NO_TYPE = 31
const NO_CATCH_UP = 32

const integrations = `
  create table public.organization_integrations (
    id uuid primary key, org_id uuid, integration_type text, sync_schedule text, timezone text, enabled boolean,
    config jsonb, created_at timestamptz, catch_up text);
  insert into public.organization_integrations
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '${ORG}', 'xledger', '0 4 29 2 *', 'UTC', true, null, null, null
    from generate_series(1, 20) n;
  insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, enabled) values
    ('${id(NO_ORG)}', null, 'xledger', '0 4 29 2 *', true), ('${id(NO_TYPE)}', '${ORG}', null, '0 4 29 2 *', true);
  insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, enabled, catch_up) values
    ('${id(NO_CATCH_UP)}', '${ORG}', 'xledger', '0 4 29 2 *', true, 'weekly');`

/** Covers each status word, a null status, and rows without an existing integration. */
const rowsOf = (columns: string, values: (n: number) => string): string =>
  [...WORDS.map((word) => `'${word}'`), "null"]
    .flatMap((word, n) => [
      [id(100 + n), `'${id(n + 1)}'`, word, values(n)],
      // An integration can have several rows with a foreign status word.
      ...(n < 8 ? [[id(200 + n), `'${id(OVERDUE)}'`, word, values(n + 50)]] : [])
    ])
    .concat([
      [id(300), "null", "'success'", values(70)],
      [id(301), `'${UNRELATED}'`, "'running'", values(71)],
      [id(302), `'${id(998)}'`, "'pending'", values(72)]
    ])
    .map(
      ([row, integration, word, rest]) =>
        `insert into public.sync_run_log (id, integration_id, status${columns}) values ('${row}', ${integration}, ${word}${rest});`
    )
    .join("\n")

const at = (n: number) => `now() - interval '${n + 1} hours'`

const projects: ReadonlyArray<readonly [title: string, tables: string]> = [
  [
    "a log that has none of our columns but an id, an integration and a status",
    `${integrations} create table public.sync_run_log (id uuid primary key, integration_id uuid, status text, note text);
     ${rowsOf("", () => "")}`
  ],
  [
    "a log that has our columns, all of them null or in other words",
    `${integrations} create table public.sync_run_log (id uuid primary key, integration_id uuid, status text, org_id uuid,
       integration_type text, scheduled_for timestamptz, idempotency_key text, trigger text, attempt integer, max_attempts integer,
       created_at timestamptz, started_at timestamptz, finished_at timestamptz, released_at timestamptz, drift_ms bigint,
       duration_ms integer, cold_start boolean, ambiguous boolean, fenced boolean, response jsonb, lease_until timestamptz);
     ${rowsOf(", scheduled_for, trigger, started_at, duration_ms, attempt", (n) =>
       n % 3 === 0
         ? ", null, null, null, null, null"
         : n % 3 === 1
           ? `, ${at(n)}, 'cron', ${at(n)}, -5, -1`
           : `, ${at(n)}, 'MANUAL', null, null, 7`
     )}`
  ],
  [
    "a log with instants that are none",
    `${integrations} create table public.sync_run_log (id uuid primary key, integration_id uuid, status text, scheduled_for timestamptz,
       started_at timestamptz, created_at timestamptz, finished_at timestamptz);
     ${rowsOf(", scheduled_for, started_at, created_at, finished_at", (n) => {
       const odd = ["'infinity'", "'-infinity'", "'0044-03-15 BC'"][n % 3]
       // An infinite created_at keeps retention from deleting the rows.
       return `, ${n % 4 === 0 ? at(n) : "null"}, ${odd}, 'infinity', ${odd}`
     })}`
  ]
]

const READING: ReadonlyArray<ReadonlyArray<string>> = [
  ["status"],
  ["explain", ORG],
  ["explain", id(OVERDUE)],
  ["runs", "list"],
  ...[100, 108, 300, 301].map((n) => ["runs", "show", id(n)]),
  ["schedules", "list"],
  ["schedules", "show", id(OVERDUE)],
  ["audit"],
  ["doctor"]
]

describe.each(projects)("an adopted table: %s", (_, tables) => {
  let project: Project
  beforeAll(async () => {
    await binaryPath()
    project = await startProject({ tables })
    await project.sql
      .unsafe(
        `update organization_integrations set next_run_at = now() - interval '30 minutes' where id in ('${id(OVERDUE)}', '${id(NO_ORG)}', '${id(NO_TYPE)}', '${id(NO_CATCH_UP)}')`
      )
      .simple()
  }, 120_000)
  afterAll(() => project.close())

  const read = async (args: ReadonlyArray<string>) => {
    const ended = await runBinary(args, {
      env: { ...project.environment, SUPABASE_DB_URL: project.database.url }
    })
    return { args: args.join(" "), ...ended }
  }

  /** Returns the read-only commands that failed. `doctor` should find problems. */
  const failures = async () => {
    const broken: Array<unknown> = []
    for (const args of READING) {
      const [text, json] = await Promise.all([read(args), read([...args, "-o", "json"])])
      for (const { code, stderr, stdout, ...ran } of [text, json]) {
        if (code !== 0 && !(args[0] === "doctor" && stderr === ""))
          broken.push({ ...ran, code, stderr: stderr.slice(0, 400), stdout: stdout.slice(-300) })
      }
      if (json.code === 0) JSON.parse(json.stdout)
    }
    return broken
  }

  test("every command can read it, and check reports overdue slots, before and after a tick", async () => {
    expect(await failures()).toEqual([])
    const before = await read(["check"])
    expect(before).toMatchObject({ code: 2, stderr: "" })
    expect(before.stdout).toMatch(/[12] overdue \(/)

    const status = await read(["status"])
    expect(status.stdout).toContain("org_id is null: set it")
    expect(status.stdout).not.toContain("1970")

    const summary = await project.tick("direct")
    expect(summary).toMatchObject({ ok: true, completed: 1 })
    // Only the three rows that cannot run are reported.
    const faults = [
      `Integration ${id(NO_ORG)} cannot run: org_id is null: set it to the id of the organisation`,
      `Integration ${id(NO_TYPE)} cannot run: integration_type is null: set it, for example to xledger`,
      `Integration ${id(NO_CATCH_UP)} cannot run: catch_up must be latest, all or skip`
    ]
    expect(summary.errors.map(({ message }) => message).toSorted()).toEqual(faults)
    const planned = JSON.parse((await read(["run", "--dry-run", "-o", "json"])).stdout)
    const plannedErrors: ReadonlyArray<{ message: string }> = planned.errors
    expect(plannedErrors.map(({ message }) => message).toSorted()).toEqual(faults)
    expect((await read(["check"])).code).toBeGreaterThan(0)
    expect(await failures()).toEqual([])
  }, 180_000)
})

test("doctor and the migration name unsafe triggers and cascading keys, and print SQL that fixes them", async () => {
  const trigger = (name: string, settings: string) => `
    create function public.${name}() returns trigger language plpgsql ${settings} as $$
      begin perform 1 from notes; return new; end $$;
    create trigger ${name} before insert or update on public.organization_integrations
      for each row execute function public.${name}();`
  const project = await startProject({
    tables: `${integrations} create table public.notes (id int);
      create table public.sync_run_log (id uuid primary key, integration_id uuid, status text,
        constraint to_integration foreign key (integration_id) references public.organization_integrations on delete cascade);
      create table public.receipts (run_id uuid constraint to_run references public.sync_run_log on delete cascade);
      ${trigger("stamp", "")} ${trigger("own_path", "set search_path = public")}`
  })
  try {
    const env = { ...project.environment, SUPABASE_DB_URL: project.database.url }
    const ask = async () => {
      const { stdout } = await runBinary(["doctor", "-o", "json"], { env })
      const { findings }: { findings: ReadonlyArray<{ code: string; what: string; fix: string }> } =
        JSON.parse(stdout)
      return findings.filter(({ code }) => /^(TRIGGER_SEARCH_PATH|LOG_CASCADE)$/.test(code))
    }
    const found = await ask()
    expect(found.map(({ code, what }) => [code, what.split(":")[0]])).toEqual([
      [
        "TRIGGER_SEARCH_PATH",
        "trigger stamp on public.organization_integrations (function public.stamp())"
      ],
      ["LOG_CASCADE", "foreign key to_run of public.receipts, on delete cascade"],
      ["LOG_CASCADE", "foreign key to_integration of public.sync_run_log, on delete cascade"]
    ])
    const source = readMigrations().at(-1)?.text ?? ""
    const [block = ""] = /do \$adopted\$[\s\S]*?\$adopted\$;/.exec(source) ?? []
    const warned = Bun.spawnSync(["psql", project.database.url, "-c", block]).stderr.toString()
    for (const { fix } of found) expect(warned).toContain(`HINT:  ${fix}`)

    for (const { fix } of found) await project.sql.unsafe(fix)
    await project.seedDue(1, { id: "gen_random_uuid()", enabled: "true" })
    expect(await project.tick("direct")).toMatchObject({ ok: true, completed: 1 })
    expect(await ask()).toEqual([])
  } finally {
    await project.close()
  }
}, 120_000)
