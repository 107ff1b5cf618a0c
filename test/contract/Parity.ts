import type { SQL } from "bun"
import { MemoryDatabase } from "../support/MemoryDatabase.ts"
import { type Arguments, MemoryFunctions, Raised } from "../support/MemoryFunctions.ts"
import { deleteIntegration, type Edit, editIntegration } from "../support/MemorySchedule.ts"

/**
 * Adds a settable clock, predictable run ids, a function that returns a step's error instead of raising it, and a function that
 * returns every row that a step might have changed.
 */
export const PARITY_SQL = `
create or replace function sync_scheduler.clock() returns timestamptz
  language sql stable return current_setting('parity.now')::timestamptz;

create function public.parity_run_id() returns trigger language plpgsql as $$
begin
  new.id := md5(new.integration_id::text || '|' || (extract(epoch from new.scheduled_for) * 1000)::bigint)::uuid;
  return new;
end
$$;
create trigger parity_run_id before insert on public.sync_run_log for each row execute function public.parity_run_id();

create function public.parity_rows() returns json language sql stable as $$
  select json_build_object(
    'integrations', (select coalesce(json_agg(i order by i.id), '[]') from public.organization_integrations i),
    'runs', (select coalesce(json_agg(r order by r.id), '[]') from public.sync_run_log r),
    'ranges', (select coalesce(json_agg(s order by s.id), '[]') from public.sync_skipped_range s),
    'events', (select coalesce(json_agg(e order by e.id), '[]') from public.sync_run_event e),
    'health', (select coalesce(json_agg(h order by h.provider, h.host), '[]') from public.integration_health h),
    'holds', (select coalesce(json_agg(k order by k.provider, k.host, k.org_id), '[]') from public.sync_api_hold k),
    'incidents', (select coalesce(json_agg(n order by n.kind, n.subject, n.id), '[]') from public.sync_incident n))
$$;

create function public.parity_step(p_now text, p_sql text) returns json language plpgsql as $$
declare
  v_answer jsonb;
  v_raised text;
begin
  perform set_config('parity.now', p_now, false);
  begin
    execute p_sql into v_answer;
  exception when others then
    v_raised := sqlerrm;
  end;
  return json_build_object('answer', v_answer, 'raised', v_raised, 'rows', public.parity_rows());
end
$$;`

const TYPES: Readonly<Record<string, string>> = {
  p_tick_id: "uuid",
  p_options: "jsonb",
  p_limit: "integer",
  p_integration_ids: "uuid[]",
  p_run_ids: "uuid[]",
  p_adopt_after_seconds: "numeric",
  p_drift_alert_seconds: "numeric",
  p_quiescence_seconds: "numeric",
  p_running_guard_seconds: "numeric",
  p_claim_token: "uuid",
  p_fetch_token: "uuid",
  p_slots: "jsonb",
  p_starts: "jsonb",
  p_settlements: "jsonb",
  p_run_id: "uuid",
  p_lease_token: "uuid",
  p_nonce: "uuid",
  p_error: "jsonb",
  p_response: "jsonb",
  p_summary: "jsonb",
  p_clock_skew_ms: "bigint",
  p_integration_id: "uuid"
}

type Rows = Readonly<Record<string, unknown>>
type Tables = Readonly<Record<keyof typeof COLUMNS, ReadonlyArray<Rows>>>

const COLUMNS = {
  integrations: [
    ...["id", "sync_schedule", "timezone", "enabled", "next_run_at", "schedule_version"],
    ...["schedule_since", "schedule_error", "catch_up", "max_attempts", "on_unknown", "fenced"],
    ...["consecutive_failures", "breaker_until", "paused_reason", "reserved_by", "reserved_until"],
    ...["fetch_token"]
  ],
  runs: [
    ...["id", "integration_id", "org_id", "integration_type", "scheduled_for", "idempotency_key"],
    ...["trigger", "status", "skip_reason", "attempt", "max_attempts", "claimed_by", "claim_token"],
    ...["claimed_at"],
    ...["lease_token", "lease_seconds", "lease_until", "not_before", "created_at", "started_at"],
    ...["attempt_started_at", "began_at", "begin_nonce", "heartbeat_at", "finished_at"],
    ...["released_at", "drift_ms", "duration_ms", "cold_start", "warm_up_ms", "http_status"],
    ...["error_code", "error_message", "response", "fenced", "ambiguous", "ambiguous_before"],
    ...["api_provider", "api_host", "delay_reason"]
  ],
  health: [
    ...["provider", "host", "status", "mode", "since", "updated_at", "consecutive_failures"],
    ...["last_sync_at", "throttled_until", "last_throttled_at", "passive_until", "throttles"]
  ],
  holds: [
    ...["provider", "host", "org_id", "throttled_until", "start_limit", "limit_ceiling"],
    ...["limited_until", "told_at", "expires_at"]
  ],
  ranges: ["integration_id", "from", "to", "count", "reason", "recorded_by"],
  events: [
    ...["run_id", "integration_id", "at", "kind", "from", "to", "attempt", "actor", "reason"]
  ],
  incidents: ["kind", "subject", "opened_at", "last_seen_at", "occurrences", "resolved_at"]
} as const

const normal = (value: unknown): unknown => {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)$/.test(value)) {
    return Date.parse(value)
  }
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]))
}

const pickColumns = (row: Rows, columns: ReadonlyArray<string>): Rows =>
  Object.fromEntries(columns.map((column) => [column, normal(row[column] ?? null)]))

const isRecord = (value: unknown): value is Rows => typeof value === "object" && value !== null

/** The names of response fields that contain lists in no particular order. */
const UNORDERED: ReadonlySet<string> = new Set(["started", "settled"])

const byRunId = (a: unknown, b: unknown): number =>
  isRecord(a) && isRecord(b) ? String(a.run_id).localeCompare(String(b.run_id)) : 0

/** Drops message texts and versions, sorts unordered lists, and replaces the cursor with a flag. */
const comparable = (answer: unknown): unknown => {
  if (Array.isArray(answer)) return answer.map(comparable)
  if (!isRecord(answer)) return normal(answer)
  const entries = Object.entries(answer)
    .filter(([key, value]) => key !== "detail" && key !== "schema_version" && value !== null)
    .map(([key, value]) => {
      if (key === "cursor") return [key, "there"] as const
      const inner = comparable(value)
      return [
        key,
        UNORDERED.has(key) && Array.isArray(inner) ? inner.sort(byRunId) : inner
      ] as const
    })
  return Object.fromEntries(entries)
}

export type Step =
  | { readonly call: string; readonly args: Arguments }
  | { readonly edit: string; readonly changes: Edit }
  | { readonly remove: string }

export interface Outcome {
  readonly sql: { readonly answer: unknown; readonly rows: unknown }
  readonly memory: { readonly answer: unknown; readonly rows: unknown }
  /** Cursors differ between the two sides, so later steps pass each side its own cursor. */
  readonly raw: { readonly sql: unknown; readonly memory: unknown }
}

/** Runs the same functions in PostgreSQL and in memory. */
export class Parity {
  now: number
  readonly db: MemoryDatabase
  private readonly functions: MemoryFunctions
  private readonly sql: SQL

  constructor(sql: SQL, now: number) {
    this.sql = sql
    this.now = now
    this.db = new MemoryDatabase(() => this.now, runId)
    this.functions = new MemoryFunctions(this.db)
  }

  async add(row: Parameters<MemoryDatabase["seed"]>[0]): Promise<void> {
    const full = this.db.seed(row)
    const instant = (ms: number | null) => (ms === null ? "null" : `to_timestamp(${ms} / 1000.0)`)
    await this.sql.unsafe(`select set_config('parity.now', '${iso(this.now)}', false);
      insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, timezone, enabled, next_run_at,
        schedule_since, catch_up, max_attempts, on_unknown, fenced, warm_up, config, created_at)
      values ('${full.id}', '${full.org_id}', '${full.integration_type}', ${literal(full.sync_schedule)}, '${full.timezone}',
        ${full.enabled}, ${instant(full.next_run_at)}, ${instant(full.schedule_since)}, '${full.catch_up}', ${full.max_attempts},
        '${full.on_unknown}', ${full.fenced}, ${full.warm_up}, '{}', ${instant(full.schedule_since)})`)
  }

  /** `sqlArgs` overrides arguments for PostgreSQL only. */
  async take(step: Step, sqlArgs: Arguments = {}): Promise<Outcome> {
    const sql = await this.inSql(step, sqlArgs)
    const memory = this.inMemory(step)
    return {
      sql: { answer: comparable(sql.answer), rows: this.pick(sql.tables) },
      memory: { answer: comparable(memory), rows: this.pick(this.memoryTables()) },
      raw: { sql: sql.answer, memory }
    }
  }

  private async inSql(
    step: Step,
    sqlArgs: Arguments
  ): Promise<{ answer: unknown; tables: Tables }> {
    const text =
      "call" in step
        ? statement(step.call, { ...step.args, ...sqlArgs })
        : "remove" in step
          ? `with gone as (delete from public.organization_integrations where id = '${step.remove}' returning 1)
             select to_jsonb(count(*) > 0) from gone`
          : update(step.edit, step.changes)
    const rows: ReadonlyArray<{ step: unknown }> = await this
      .sql`select public.parity_step(${iso(this.now)}, ${text}) as step`
    const first = rows[0]?.step
    const result: { answer: unknown; raised: string | null; rows: Tables } =
      typeof first === "string" ? JSON.parse(first) : (first as never)
    const answer = result.raised === null ? result.answer : { raised: true }
    return { answer, tables: result.rows }
  }

  private inMemory(step: Step): unknown {
    try {
      if ("edit" in step) return editIntegration(this.db, step.edit, step.changes)
      if ("remove" in step) return deleteIntegration(this.db, step.remove)
      return JSON.parse(JSON.stringify(this.functions.call(step.call, step.args)))
    } catch (error) {
      if (error instanceof Raised) return { raised: true }
      throw error
    }
  }

  private memoryTables(): Tables {
    const { db } = this
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
    const incidents = db.incidents
      .map((row, index) => ({ row, index }))
      .toSorted(
        (a, b) =>
          compare(a.row.kind, b.row.kind) ||
          compare(a.row.subject, b.row.subject) ||
          a.index - b.index
      )
    return {
      integrations: [...db.integrations.values()].sort(byId).map((row) => ({ ...row })),
      runs: [...db.runs.values()].sort(byId).map((row) => ({ ...row })),
      ranges: db.ranges.map((row) => ({ ...row })),
      events: db.events.map((row) => ({ ...row, from_status: row.from, to_status: row.to })),
      incidents: incidents.map(({ row }) => ({ ...row })),
      health: [...db.health].toSorted(([a], [b]) => compare(a, b)).map(([, row]) => ({ ...row })),
      holds: [...db.holds].toSorted(([a], [b]) => compare(a, b)).map(([, row]) => ({ ...row }))
    }
  }

  private pick(tables: Tables): unknown {
    const events = tables.events.map((row) => ({
      ...row,
      from: row.from_status,
      to: row.to_status
    }))
    return {
      integrations: tables.integrations.map((row) => pickColumns(row, COLUMNS.integrations)),
      runs: tables.runs.map((row) => pickColumns(row, COLUMNS.runs)),
      ranges: inOrder(tables.ranges.map((row) => pickColumns(row, COLUMNS.ranges))),
      events: inOrder(events.map((row) => pickColumns(row, COLUMNS.events))),
      incidents: tables.incidents.map((row) => pickColumns(row, COLUMNS.incidents)),
      health: tables.health.map((row) => pickColumns(row, COLUMNS.health)),
      holds: tables.holds.map((row) => pickColumns(row, COLUMNS.holds))
    }
  }
}

const runId = (integrationId: string, slot: number): string => {
  const hash = new Bun.CryptoHasher("md5").update(`${integrationId}|${slot}`).digest("hex")
  return hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

/** A step that affects several integrations processes them in no particular order. */
const inOrder = (rows: ReadonlyArray<Rows>): ReadonlyArray<Rows> =>
  rows.toSorted(
    (a, b) =>
      Number(a.at ?? 0) - Number(b.at ?? 0) ||
      compare(String(a.integration_id), String(b.integration_id))
  )

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export const iso = (ms: number): string => new Date(ms).toISOString()

const literal = (value: unknown): string => {
  if (value === null || value === undefined) return "null"
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return `'${text.replaceAll("'", "''")}'`
}

const argument = (name: string, value: unknown): string => {
  const type = TYPES[name] ?? "text"
  const text =
    type === "uuid[]" && Array.isArray(value)
      ? literal(`{${value.join(",")}}`)
      : type === "jsonb" && value !== null
        ? literal(JSON.stringify(value))
        : literal(value)
  return `${name} => ${text}::${type}`
}

const statement = (name: string, args: Arguments): string => {
  const given = Object.entries(args).filter(([, value]) => value !== undefined)
  return `select public.${name}(${given.map(([key, value]) => argument(key, value)).join(", ")})`
}

const INSTANTS = ["next_run_at", "breaker_until"]

const update = (id: string, changes: Edit): string => {
  const sets = Object.entries(changes).map(([column, value]) =>
    INSTANTS.includes(column) && typeof value === "number"
      ? `${column} = ${literal(iso(value))}::timestamptz`
      : `${column} = ${literal(value)}`
  )
  return `with changed as (update public.organization_integrations set ${sets.join(", ")} where id = '${id}' returning 1)
          select to_jsonb(count(*) > 0) from changed`
}
