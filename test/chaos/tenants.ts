/**
 * Measures how much one organisation delays other organisations, with `serve`, a real PostgreSQL server and real functions.
 * Usage: `bun test/chaos/tenants.ts [--minutes 2] [--direct] [part of a name...]`.
 */
import { randomUUID } from "node:crypto"
import { parseOptions } from "../../scripts/parseOptions.ts"
import { type Behaviour, delay, hang, ownError, status } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { startSidecar } from "../support/Sidecar.ts"

const MINUTE = 60_000
const ORGANISATIONS = 10
const RUN_MS = 200

/** An organisation's rows before the first tick, and its function's responses. */
interface Misbehaviour {
  readonly name: string
  readonly rows: (project: Project, org: string) => Promise<unknown>
  readonly behave?: Behaviour
}

const LONG_AGO = "now() - interval '1 hour'"
const MINUTELY = { sync_schedule: "'* * * * *'" }

const rows =
  (count: number, columns: Readonly<Record<string, string>>): Misbehaviour["rows"] =>
  (project, org) =>
    project.seedDue(count, { next_run_at: LONG_AGO, ...columns, org_id: `'${org}'` })

/** Drops the constraint on sizes and times first, to simulate an adopted table with oversized rows. */
const unbounded =
  (...all: ReadonlyArray<Misbehaviour["rows"]>): Misbehaviour["rows"] =>
  async (project, org) => {
    await project.sql`alter table organization_integrations drop constraint organization_integrations_bounds`
    for (const seed of all) await seed(project, org)
  }

const BIG = "repeat('x', 17000000)"
const throttled = status(429, { executed: false, error: "slow down" }, { "Retry-After": "3600" })

const MISBEHAVIOURS: ReadonlyArray<Misbehaviour> = [
  { name: "nothing", rows: async () => undefined },
  {
    name: "17 MB each in `config`, `sync_schedule`, `timezone` and `function_name`",
    rows: unbounded(
      rows(1, { config: `jsonb_build_object('x', ${BIG})` }),
      ...["sync_schedule", "timezone", "function_name"].map((column) => rows(1, { [column]: BIG }))
    )
  },
  {
    name: "120 integrations with a `config` of 170 KB, whose functions return 429",
    rows: rows(120, { config: "jsonb_build_object('x', repeat('x', 170000))" }),
    behave: throttled
  },
  {
    name: "150 rows due before Christ",
    rows: unbounded(rows(150, { next_run_at: "'0044-03-15 00:00:00+00 BC'" }))
  },
  {
    name: "150 rows with `infinity` in `schedule_since`, 150 in `next_run_at`",
    rows: unbounded(
      rows(150, { next_run_at: "null", schedule_since: "'infinity'" }),
      rows(150, { next_run_at: "'infinity'" })
    )
  },
  {
    name: "six integrations every minute, `catch_up = 'all'`, six hours behind",
    rows: rows(6, {
      ...MINUTELY,
      catch_up: "'all'",
      next_run_at: "date_trunc('minute', now()) - interval '6 hours'"
    })
  },
  { name: "2,000 integrations due together", rows: rows(2_000, {}) },
  {
    name: "100 integrations every minute, whose functions return 429 for an hour",
    rows: rows(100, MINUTELY),
    behave: throttled
  },
  {
    name: "100 integrations every minute whose functions never respond",
    rows: rows(100, MINUTELY),
    behave: hang()
  },
  {
    name: "500 integrations every minute that fail immediately",
    rows: rows(500, MINUTELY),
    behave: ownError()
  },
  {
    name: "150 rows that a trigger of the project refuses",
    rows: async (project, org) => {
      await rows(150, { integration_type: "'bad'" })(project, org)
      await project.sql
        .unsafe(`create function public.owners() returns trigger language plpgsql as $$
          begin if new.integration_type = 'bad' then raise exception 'not today'; end if; return new; end $$;
          create trigger owners before update on public.organization_integrations
            for each row execute function public.owners()`)
        .simple()
    }
  },
  {
    name: "500 integrations whose schedule cannot be computed",
    rows: rows(500, { sync_schedule: "'61 * * * *'", next_run_at: "null" })
  }
]

interface Delays {
  /** The delays of the other organisations' runs, in ms, ascending. Includes runs that never started. */
  readonly delays: ReadonlyArray<number>
  readonly skipped: number
}

/** Measures the effect of one misbehaviour. Each other organisation has two integrations that are due every full minute. */
const play = async (
  { behave, rows }: Misbehaviour,
  minutes: number,
  isDirect: boolean
): Promise<Delays> => {
  const project = await startProject()
  const org = randomUUID()
  project.functions.behave((body) =>
    body.org_id === org ? (behave ?? delay(RUN_MS)) : delay(RUN_MS)
  )
  const first = Math.ceil((Date.now() + 5_000) / MINUTE) * MINUTE
  for (let n = 0; n < ORGANISATIONS; n++) {
    await project.seedDue(2, {
      ...MINUTELY,
      org_id: `'${randomUUID()}'`,
      next_run_at: `to_timestamp(${first / 1000})`
    })
  }
  await rows(project, org)
  const sidecar = await startSidecar({
    ...project.environment,
    ...(isDirect ? { SUPABASE_DB_URL: project.database.url } : {})
  })
  await Bun.sleep(first + (minutes - 0.5) * MINUTE - Date.now())
  const found: ReadonlyArray<{ delay: number }> = await project.sql`
    with slots as (
      select i.id, s from organization_integrations i
       cross join generate_series(to_timestamp(${first / 1000}), now(), interval '1 minute') s
       where i.org_id <> ${org})
    select (extract(epoch from coalesce(l.started_at, now()) - s) * 1000)::float8 as delay
      from slots left join sync_run_log l on l.integration_id = slots.id and l.scheduled_for = s order by 1`
  const [ranges] = await project.sql`
    select coalesce(sum(count), 0)::int as n from sync_skipped_range r
      join organization_integrations i on i.id = r.integration_id where i.org_id <> ${org}`
  sidecar.kill("SIGKILL")
  await sidecar.exited
  await project.close()
  return { delays: found.map(({ delay }) => delay), skipped: ranges.n }
}

const { positionals, values } = parseOptions({
  options: {
    minutes: { type: "string", default: "2" },
    direct: { type: "boolean", default: false }
  },
  allowPositionals: true
})
const seconds = (ms = Number.NaN) => `${(ms / 1000).toFixed(1)} s`
console.log(
  "| Misbehaviour of one organisation | Runs of the others | Median delay | Longest delay |\n|---|---|---|---|"
)
for (const misbehaviour of MISBEHAVIOURS) {
  const { name } = misbehaviour
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue
  const { delays, skipped } = await play(misbehaviour, Number(values.minutes), values.direct)
  const median = delays[Math.floor(delays.length / 2)]
  console.log(
    `| ${name} | ${delays.length}${skipped > 0 ? `, ${skipped} skipped` : ""} | ${seconds(median)} | ${seconds(delays.at(-1))} |`
  )
}
process.exit(0)
