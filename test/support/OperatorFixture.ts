import type { SQL } from "bun"
import { Either, Option } from "effect"
import * as Schedule from "../../src/Domain/Schedule/Schedule.ts"
import { installClock, setClock } from "./DatabaseClock.ts"
import { uuid } from "./World.ts"

/** Friday 2026-11-20, 09:12:04 in Oslo. */
export const FIXTURE_NOW = Date.UTC(2026, 10, 20, 8, 12, 4)

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const ENGINE = "web-1-4021-9c3e"

/** A hostile name with markup, a text-direction override, control characters and SQL. */
export const HOSTILE_NAME =
  "<script>alert(1)</script>\u202e\u001b[31m'; drop table sync_run_log; --\t\"&amp;"

interface Member {
  readonly id: string
  readonly org_id: string
  readonly org_name: string | null
  readonly integration_type: string
  readonly sync_schedule: string
  readonly timezone: string
  /** Columns that differ from those of a healthy integration. */
  readonly row?: Readonly<Record<string, unknown>>
  /** Columns of the newest run that differ from those of a completed run; null if there are no runs. */
  readonly last?: Readonly<Record<string, unknown>> | null
  /** How long ago a person paused the integration, in ms. */
  readonly pausedFor?: number
  /** How many of the newest runs `last` applies to. */
  readonly lasting?: number
}

const org = (n: number, name: string | null) => ({ org_id: `a${uuid(n).slice(1)}`, org_name: name })
/** The first two hex digits of the id are `n`. */
export const fixtureId = (n: number) =>
  `${n.toString(16).padStart(2, "0")}c0ffee-0000-4000-8000-${String(n).padStart(12, "0")}`
const acme = org(1, "Acme AS")
const initech = org(2, "Initech")

/** Covers every state and several time zones. The ids are fixed. */
export const members = (now: number): ReadonlyArray<Member> => {
  const at = (ms: number) => new Date(now + ms).toISOString()
  const slotOf = (schedule: string, timezone: string) => {
    const parsed = Either.getOrThrow(Schedule.parse(schedule, timezone))
    return Option.getOrThrow(Schedule.summarise(parsed, now - 8 * DAY, now).latest)
  }
  const failure = (error_code: string, error_message: string, http_status: number) => ({
    status: "failed",
    error_code,
    error_message,
    http_status
  })
  return [
    {
      id: fixtureId(1),
      ...acme,
      integration_type: "xledger",
      sync_schedule: "0 2 * * 1-5",
      timezone: "Europe/Oslo",
      last: { attempt: 2, drift_ms: 190_000, duration_ms: 41_000 }
    },
    {
      id: fixtureId(2),
      ...acme,
      integration_type: "dynamics",
      sync_schedule: "*/30 * * * *",
      timezone: "Europe/Oslo"
    },
    {
      id: fixtureId(3),
      ...acme,
      integration_type: "dynamics",
      sync_schedule: "15 */6 * * *",
      timezone: "America/Sao_Paulo"
    },
    // The slot has been due for twelve minutes and has not been claimed.
    {
      id: fixtureId(4),
      ...org(3, "Globex"),
      integration_type: "netsuite",
      sync_schedule: "0 9 * * 1-5",
      timezone: "Europe/Oslo",
      row: { next_run_at: new Date(slotOf("0 9 * * 1-5", "Europe/Oslo")).toISOString() }
    },
    {
      id: fixtureId(5),
      ...initech,
      integration_type: "xero",
      sync_schedule: "*/15 * * * *",
      timezone: "UTC",
      row: { consecutive_failures: 4 },
      lasting: 4,
      last: failure("UNAUTHORIZED", "the token was revoked", 401)
    },
    {
      id: fixtureId(6),
      ...initech,
      integration_type: "hubspot",
      sync_schedule: "61 * * * *",
      timezone: "UTC",
      row: { next_run_at: null, schedule_error: "minute is 61: it must be from 0 to 59" },
      last: null
    },
    {
      id: fixtureId(7),
      ...org(4, "Umbrella Logistics"),
      integration_type: "fortnox",
      sync_schedule: "0 2 * * *",
      timezone: "Europe/Stockholm",
      row: { on_unknown: "hold" },
      last: {
        status: "unknown",
        http_status: 504,
        error_code: "IDLE_TIMEOUT",
        error_message: "the function did not answer within 150 s",
        finished_at: null,
        duration_ms: null,
        ambiguous: true
      }
    },
    {
      id: fixtureId(8),
      ...org(5, "Hooli"),
      integration_type: "quickbooks",
      sync_schedule: "0 * * * *",
      timezone: "America/New_York",
      row: { consecutive_failures: 6, breaker_until: at(3 * HOUR) },
      lasting: 6,
      last: failure("THROTTLED", "429 from QuickBooks", 429)
    },
    {
      id: fixtureId(9),
      ...org(6, "Wayne Enterprises"),
      integration_type: "netsuite",
      sync_schedule: "10 8 * * *",
      timezone: "UTC",
      last: {
        status: "running",
        attempt_started_at: at(-2 * MINUTE),
        lease_until: at(95_000),
        finished_at: null,
        duration_ms: null,
        http_status: null
      }
    },
    {
      id: fixtureId(10),
      ...org(7, "Stark Industries"),
      integration_type: "visma",
      sync_schedule: "0 6 * * *",
      timezone: "Europe/Helsinki",
      last: { drift_ms: 22 * MINUTE, trigger: "catch_up" }
    },
    {
      id: fixtureId(11),
      ...org(8, "Wonka"),
      integration_type: "tripletex",
      sync_schedule: "0 3 * * *",
      timezone: "Europe/Oslo",
      pausedFor: 2 * DAY
    },
    {
      id: fixtureId(12),
      ...org(9, "Soylent"),
      integration_type: "xledger",
      sync_schedule: "0 22 * * *",
      timezone: "Asia/Kolkata",
      row: { created_at: at(-HOUR), schedule_since: at(-HOUR) },
      last: null
    },
    {
      id: fixtureId(13),
      ...org(10, HOSTILE_NAME),
      integration_type: "dynamics",
      sync_schedule: "0 4 * * *",
      timezone: "Pacific/Auckland"
    },
    {
      id: fixtureId(14),
      ...org(11, null),
      integration_type: "fortnox",
      sync_schedule: "45 5 * * *",
      timezone: "Asia/Kathmandu"
    },
    // No tick ran from 03:59 to 04:22 UTC, so four slots of this integration were skipped.
    {
      id: fixtureId(15),
      ...org(12, "Cyberdyne Systems"),
      integration_type: "xero",
      sync_schedule: "*/5 * * * *",
      timezone: "UTC"
    },
    {
      id: fixtureId(16),
      ...org(13, "Tyrell"),
      integration_type: "visma",
      sync_schedule: "5 8 * * *",
      timezone: "UTC",
      last: {
        status: "pending",
        not_before: at(40_000),
        error_code: "BOOT_ERROR",
        error_message: "the function did not start",
        http_status: 503,
        finished_at: null,
        duration_ms: null
      }
    }
  ]
}

const OUTAGE = { from: -(4 * HOUR + 13 * MINUTE + 4_000), to: -(3 * HOUR + 50 * MINUTE + 4_000) }

/** Returns at most 300 runs of the last eight days. `last` describes the newest ones; all others are completed. */
const runsOf = (member: Member, now: number): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  const schedule = Schedule.parse(member.sync_schedule, member.timezone)
  if (Either.isLeft(schedule) || member.last === null) return []
  const due = member.row?.next_run_at
  const until = typeof due === "string" ? Date.parse(due) - 1 : now - (member.pausedFor ?? 0)
  const slots = Schedule.between(schedule.right, now - 8 * DAY, until, 10_000).slice(-300)
  const special = member.lasting ?? 1
  return slots.flatMap((slot, index) => {
    const next = slots[index + 1] ?? now
    const wasOut = slot >= now + OUTAGE.from && slot < now + OUTAGE.to
    if (wasOut && next <= now + OUTAGE.to) return []
    const n = Math.trunc(slot / MINUTE)
    const late = wasOut ? now + OUTAGE.to - slot : 400 + ((n * 7919) % 2600)
    const override = index >= slots.length - special ? (member.last ?? {}) : {}
    const drift = typeof override.drift_ms === "number" ? override.drift_ms : late
    const took =
      typeof override.duration_ms === "number"
        ? override.duration_ms
        : 2_000 + ((n * 104_729) % 40_000)
    const started = slot + drift
    const time = (ms: number) => new Date(ms).toISOString()
    return [
      {
        id: `${member.id.slice(0, 2)}${(n % 0xffffff).toString(16).padStart(6, "0")}-0000-4000-9000-${String(slot).slice(0, 12)}`,
        integration_id: member.id,
        org_id: member.org_id,
        integration_type: member.integration_type,
        scheduled_for: time(slot),
        idempotency_key: `${member.id}:${time(slot)}`,
        trigger: wasOut ? "catch_up" : "schedule",
        status: "completed",
        attempt: 1,
        max_attempts: 3,
        claimed_by: ENGINE,
        created_at: time(slot + Math.min(drift, 300)),
        started_at: time(started),
        attempt_started_at: time(started),
        finished_at: time(started + took),
        drift_ms: drift,
        duration_ms: took,
        http_status: 200,
        error_code: null,
        error_message: null,
        not_before: null,
        lease_until: null,
        ambiguous: false,
        ...override
      }
    ]
  })
}

const EVENTS = `
  insert into sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
  select l.id, l.integration_id, e.at, e.kind, e.f, e.t, e.attempt, l.claimed_by, e.reason, e.detail from sync_run_log l,
    lateral (values
      (1, l.created_at, 'claimed', null, 'pending', 0, null, null::jsonb),
      (2, case when l.attempt > 1 then l.created_at + interval '200 ms' end, 'started', 'pending', 'running', 1, null, null),
      (3, case when l.attempt > 1 then l.created_at + interval '700 ms' end, 'settled', 'running', 'pending', 1, 'not_executed',
          '{"http_status": 503, "error_code": "BOOT_ERROR", "error_message": "the function did not start"}'),
      (4, l.started_at, 'started', 'pending', 'running', l.attempt, null, null),
      (5, case when l.status <> 'running' then coalesce(l.finished_at, l.started_at + interval '150 s') end, 'settled', 'running', l.status, l.attempt,
          case l.status when 'pending' then 'not_executed' else l.status end,
          jsonb_strip_nulls(jsonb_build_object('http_status', l.http_status, 'error_code', l.error_code, 'error_message', l.error_message)))
    ) as e(n, at, kind, f, t, attempt, reason, detail) where e.at is not null order by e.at, e.n`

const insert = async (
  sql: SQL,
  table: string,
  rows: ReadonlyArray<Readonly<Record<string, unknown>>>
): Promise<void> => {
  const columns = Object.keys(rows[0] ?? {})
    .map((name) => `"${name}"`)
    .join(", ")
  await sql.unsafe(
    `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1::text::jsonb)`,
    [JSON.stringify(rows)]
  )
}

/** Fills an empty, migrated database and stops its clock at `now`. */
export const seedFixture = async (sql: SQL, now = FIXTURE_NOW): Promise<ReadonlyArray<Member>> => {
  const all = members(now)
  const time = (ms: number) => new Date(ms).toISOString()
  await installClock(sql, now - 30 * DAY)
  const base = {
    created_at: time(now - 30 * DAY),
    schedule_since: time(now - 30 * DAY),
    enabled: true
  }
  const own = {
    schedule_error: null,
    consecutive_failures: 0,
    breaker_until: null,
    on_unknown: "retry"
  }
  await insert(
    sql,
    "organization_integrations",
    all.map(({ id, org_id, org_name, integration_type, row, sync_schedule, timezone }) => {
      const { next_run_at: _, ...columns } = row ?? {}
      return {
        id,
        org_id,
        org_name,
        integration_type,
        sync_schedule,
        timezone,
        ...base,
        ...own,
        ...columns
      }
    })
  )
  // Runs after the insert, so that the schedule history begins when the integrations were created, not at their next slot.
  for (const { id, pausedFor = 0, row, sync_schedule, timezone } of all) {
    const schedule = Schedule.parse(sync_schedule, timezone)
    const next = Either.isLeft(schedule)
      ? null
      : Option.getOrNull(Schedule.next(schedule.right, now - pausedFor))
    const at = row?.next_run_at ?? (next === null ? null : time(next))
    await sql`update organization_integrations set next_run_at = ${at}::text::timestamptz where id = ${id}`
  }
  const runs = all.flatMap((member) => runsOf(member, now))
  await insert(sql, "sync_run_log", runs)
  await sql.unsafe(EVENTS)
  await insert(sql, "sync_skipped_range", outageOf(all, now))
  await insert(sql, "sync_incident", [
    {
      kind: "unknown",
      subject: runs.findLast(({ status }) => status === "unknown")?.id,
      integration_id: fixtureId(7),
      run_id: runs.findLast(({ status }) => status === "unknown")?.id,
      opened_at: time(now - 7 * HOUR),
      detail: { error_code: "IDLE_TIMEOUT" }
    },
    {
      kind: "breaker",
      subject: fixtureId(8),
      integration_id: fixtureId(8),
      run_id: null,
      opened_at: time(now - HOUR),
      detail: { consecutive_failures: 6 }
    }
  ])
  await insert(sql, "integration_health", [
    {
      provider: "quickbooks",
      host: "quickbooks.api.intuit.com",
      status: "throttled",
      mode: "active",
      consecutive_failures: 6,
      last_sync_at: time(now - HOUR),
      throttled_until: time(now + 20 * MINUTE),
      http_status: 429,
      detail: {},
      updated_at: time(now - HOUR)
    }
  ])
  await sql.unsafe(`
    insert into sync_tick (id, engine_id, engine_version, started_at, finished_at, due, triggered, completed)
    select gen_random_uuid(), '${ENGINE}', '0.1.0', t, t + interval '1.9 s', 2, 2, 2
      from generate_series('${time(now - DAY - 4_000)}'::timestamptz, '${time(now - 4_000)}', interval '1 minute') t
     where t not between '${time(now + OUTAGE.from)}' and '${time(now + OUTAGE.to - 1)}'`)
  for (const member of all.filter(({ pausedFor }) => pausedFor !== undefined)) {
    await setClock(sql, now - (member.pausedFor ?? 0))
    await sql`select pause_integration(${member.id}, 'ada@ops', 'moving to a new ERP')`
  }
  await setClock(sql, now)
  await sql`analyze`
  return all
}

const outageOf = (all: ReadonlyArray<Member>, now: number) =>
  all.flatMap(({ id, sync_schedule, timezone }) => {
    const schedule = Schedule.parse(sync_schedule, timezone)
    if (Either.isLeft(schedule)) return []
    const slots = Schedule.between(
      schedule.right,
      now + OUTAGE.from - 1,
      now + OUTAGE.to - 1,
      1000
    ).slice(0, -1)
    const [first] = slots
    const last = slots.at(-1)
    return first === undefined || last === undefined
      ? []
      : [
          {
            integration_id: id,
            from: new Date(first).toISOString(),
            to: new Date(last).toISOString(),
            count: slots.length,
            reason: "superseded",
            recorded_at: new Date(now + OUTAGE.to).toISOString(),
            recorded_by: ENGINE
          }
        ]
  })
