import { Option } from "effect"
import * as Schedule from "../../Domain/Schedule/Schedule.ts"

const MINUTE = 60_000
const DAY = 86_400_000

/** An integration of the demo, with the pattern of its past runs and its current fault. */
interface Character {
  readonly org: string
  readonly type: string
  readonly schedule: string
  readonly timezone: string
  /** The number of days with recorded runs. */
  readonly days: number
  readonly takesMs: number
  /** The average number of runs between two failures; 0 if no run fails. */
  readonly failsEvery: number
  readonly now: "fine" | "failing" | "paused" | "unknown" | "late" | "new" | "invalid"
}

const character = (
  org: string,
  type: string,
  schedule: string,
  timezone: string,
  days: number,
  takesMs: number,
  failsEvery: number,
  now: Character["now"] = "fine"
): Character => ({ org, type, schedule, timezone, days, takesMs, failsEvery, now })

/** One organisation has a name that a page must escape. */
const CHARACTERS: ReadonlyArray<Character> = [
  character("Acme AS", "dynamics", "0 2 * * 1-5", "Europe/Oslo", 90, 41_000, 45),
  character("Globex AB", "fortnox", "0 3 * * *", "Europe/Stockholm", 90, 12_000, 0),
  character("Initech", "xledger", "*/15 * * * *", "Europe/Oslo", 4, 9_000, 0, "failing"),
  character("Nordlys Bygg", "tripletex", "5 * * * *", "Europe/Oslo", 20, 6_000, 160),
  character("Havn Logistikk", "visma", "*/5 * * * *", "Europe/Oslo", 1, 20_000, 0),
  character("Kontio Oy", "procountor", "0 6 * * *", "Europe/Helsinki", 90, 73_000, 30),
  character("Lind & Partners", "fortnox", "30 * * * *", "Europe/Stockholm", 20, 4_000, 0, "paused"),
  character(
    "Meyer Werkzeuge GmbH",
    "netsuite",
    "0 4 * * *",
    "Europe/Berlin",
    60,
    95_000,
    0,
    "unknown"
  ),
  character("O'Neill <Retail> Ltd", "xero", "15 7-19 * * *", "Europe/Dublin", 45, 8_000, 200),
  character("Soleil Matin", "quickbooks", "45 5 * * *", "Europe/Paris", 90, 22_000, 0, "late"),
  character("Tindra Café", "business_central", "0 1 * * *", "Europe/Stockholm", 0, 0, 0, "new"),
  character("Vega Media", "tripletex", "61 * * * *", "Europe/Oslo", 0, 0, 0, "invalid")
]

/** A row for INSERT_INTEGRATIONS or INSERT_RUNS. Instants are in epoch ms. */
interface StoryRow {
  readonly n: number
  readonly [column: string]: string | number | boolean | null
}

/** Returns the story's rows. The same instant always yields the same rows. */
export const storyAt = (
  now: number
): { readonly integrations: ReadonlyArray<StoryRow>; readonly runs: ReadonlyArray<StoryRow> } => {
  const integrations: Array<StoryRow> = []
  const runs: Array<StoryRow> = []
  CHARACTERS.map((one) => ({ ...one, schedule: scheduleAt(one, now) })).forEach((one, n) => {
    const parsed = Schedule.parse(one.schedule, one.timezone)
    const schedule = Option.getRight(parsed)
    const slots = Option.match(schedule, {
      onNone: () => [],
      onSome: (known) => Schedule.between(known, now - one.days * DAY, endOf(one, now), 10_000)
    })
    const outcomes = slots.map((slot, at) => runOf(one, n, slot, at, slots.length))
    runs.push(...outcomes)
    const isPaused = one.now === "paused"
    integrations.push({
      n,
      org: one.org,
      type: one.type,
      schedule: one.schedule,
      timezone: one.timezone,
      enabled: !isPaused,
      paused_reason: isPaused ? "New chart of accounts: wait for their accountant" : null,
      on_unknown: one.now === "unknown" ? "hold" : "retry",
      failures: one.now === "failing" ? FAILING_RUNS : 0,
      created_at: now - one.days * DAY,
      // Slots in the last minute have no run yet: the first tick starts their runs.
      next_run_at: Option.getOrNull(
        Option.flatMap(schedule, (known) =>
          Schedule.next(known, isPaused ? now : Math.max(endOf(one, now), now - one.days * DAY) - 1)
        )
      )
    })
  })
  return { integrations, runs }
}

const FAILING_RUNS = 5
const PAUSED_MS = 3 * DAY

/** The time since the last slot of a late or unknown integration, in ms. A normal run would have ended by now. */
const LONG_MS = 20 * MINUTE

const endOf = ({ now: state }: Character, now: number): number => {
  if (state === "paused") return now - PAUSED_MS
  return now - (state === "late" || state === "unknown" ? LONG_MS : MINUTE)
}

/** Returns a schedule without slots around `now`. A run in the demo's first minutes would end the state late or unknown. */
const scheduleAt = (one: Character, now: number): string => {
  if (one.now !== "late" && one.now !== "unknown") return one.schedule
  const next = Schedule.parse(one.schedule, one.timezone).pipe(
    Option.getRight,
    Option.flatMap((schedule) => Schedule.next(schedule, endOf(one, now) - 1)),
    Option.getOrElse(() => Number.POSITIVE_INFINITY)
  )
  const halfADayLater = (_: string, minute: string, hour: string) =>
    `${minute} ${(Number(hour) + 12) % 24}`
  return next > now + LONG_MS ? one.schedule : one.schedule.replace(/^(\d+) (\d+)/, halfADayLater)
}

const runOf = (one: Character, n: number, slot: number, at: number, count: number): StoryRow => {
  const isLast = at === count - 1
  const isBad = one.now === "failing" && at >= count - FAILING_RUNS
  const failed = isBad || (one.failsEvery > 0 && noise(n, at) < 1 / one.failsEvery && !isLast)
  const isUnknown = isLast && one.now === "unknown"
  const lag =
    isLast && one.now === "late" ? 12 * MINUTE : 400 + Math.round(noise(at, n) ** 6 * 9_000)
  const took = isUnknown ? 150_000 : Math.round(one.takesMs * (0.7 + noise(n, at + 7) * 0.6))
  const [http_status, error_code, error_message] = isUnknown
    ? [504, "IDLE_TIMEOUT", "No response within 150 s; the function may still have exported"]
    : isBad
      ? [401, "TOKEN_EXPIRED", "Xledger answered 401: token expired"]
      : failed
        ? [422, "PERIOD_CLOSED", "The accounting period is closed"]
        : [200, null, null]
  return {
    n,
    slot,
    status: isUnknown ? "unknown" : failed ? "failed" : "completed",
    attempt: noise(at, n + 3) < 0.03 ? 2 : 1,
    cold: noise(at + 1, n) < 0.05,
    started: slot + lag,
    finished: slot + lag + took,
    lag,
    took,
    http_status,
    error_code,
    error_message
  }
}

/** Returns a deterministic pseudo-random number from 0 to 1. */
const noise = (a: number, b: number): number => {
  const x = Math.sin(a * 127.1 + b * 311.7) * 43_758.5453
  return x - Math.floor(x)
}

/** Derives an id from a row's number, so that the documentation can refer to the id: 0a...01 is the first organisation. */
const ID = (kind: string) =>
  `('${kind}000000-0000-4000-8000-' || lpad(to_hex(r.n + 1), 12, '0'))::uuid`
const AT = (column: string) => `to_timestamp(${column} / 1000.0)`

export const INSERT_INTEGRATIONS = `
insert into public.organization_integrations (id, org_id, org_name, integration_type, sync_schedule, timezone, enabled,
  paused_reason, on_unknown, consecutive_failures, created_at, schedule_since, next_run_at)
select ${ID("1a")}, ${ID("0a")}, r.org, r.type, r.schedule, r.timezone, r.enabled, r.paused_reason, r.on_unknown,
       r.failures, ${AT("r.created_at")}, ${AT("r.created_at")}, ${AT("r.next_run_at")}
  from jsonb_to_recordset($1::jsonb) as r(n int, org text, type text, schedule text, timezone text, enabled boolean,
    paused_reason text, on_unknown text, failures int, created_at numeric, next_run_at numeric)`

/** Backdates the schedules and one integration's pause, so that explain, audit and backfill have a history to show. */
export const BACKDATE_HISTORY = [
  `insert into public.sync_schedule_history (integration_id, schedule_version, schedule, timezone, enabled, "from", "to")
   select h.integration_id, h.schedule_version, h.schedule, h.timezone, true, i.created_at, now() - interval '${PAUSED_MS / DAY} days'
     from public.sync_schedule_history h join public.organization_integrations i on i.id = h.integration_id where not h.enabled`,
  `insert into public.sync_run_event (integration_id, at, kind, actor, reason)
   select i.id, now() - interval '${PAUSED_MS / DAY} days', 'paused', 'kari@lind.example', i.paused_reason
     from public.organization_integrations i where not i.enabled`,
  `update public.sync_schedule_history h set first_slot = null, since = i.created_at,
          "from" = case when h.enabled then i.created_at else now() - interval '${PAUSED_MS / DAY} days' end
     from public.organization_integrations i where i.id = h.integration_id`
]

export const INSERT_RUNS = `
with story as (
  insert into public.sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
    attempt, max_attempts, claimed_by, created_at, started_at, finished_at, drift_ms, duration_ms, cold_start, http_status,
    error_code, error_message, ambiguous, not_before)
  select gen_random_uuid(), i.id, i.org_id, i.integration_type, ${AT("r.slot")},
         sync_scheduler.idempotency_key(i.id, ${AT("r.slot")}), 'schedule', r.status, r.attempt, 3, 'demo-engine',
         ${AT("r.started")}, ${AT("r.started")}, ${AT("r.finished")}, r.lag, r.took, r.cold, r.http_status,
         r.error_code, r.error_message, r.status = 'unknown', case when r.status = 'unknown' then ${AT("r.finished")} end
    from jsonb_to_recordset($1::jsonb) as r(n int, slot numeric, status text, attempt int, cold boolean, started numeric,
           finished numeric, lag bigint, took bigint, http_status int, error_code text, error_message text)
    join public.organization_integrations i on i.id = ${ID("1a")}
  on conflict do nothing returning *)
insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor)
select s.id, s.integration_id, e.at, e.kind, e.from_status, e.to_status, s.attempt, 'demo-engine'
  from story s cross join lateral (values
    (1, s.created_at, 'claimed', null, 'pending'), (2, s.started_at, 'started', 'pending', 'running'),
    (3, s.finished_at, 'settled', 'running', s.status)) as e(n, at, kind, from_status, to_status)
 where s.scheduled_for > now() - interval '7 days' order by s.started_at, s.id, e.n`
