import type { EngineExit } from "../support/EngineProcess.ts"
import type { Effect } from "./EffectLedger.ts"
import type { Site } from "./Site.ts"

/** The differences between the effect ledger and the database. */
export interface Findings {
  readonly slots: number
  readonly rows: number
  readonly skippedSlots: number
  readonly effects: number
  /** Runs with more than one attempt. */
  readonly repeatedRuns: number
  /** Repeated effects that `on_unknown` = 'retry' allows: the database had recorded an ambiguous outcome. */
  readonly allowedRepeats: number
  /** Repeated effects of fenced functions, allowed or not. */
  readonly fencedRepeats: number
  readonly invocations: number
  readonly doubled: number
  /** Slots without a row or a range, plus completed runs without an effect. */
  readonly lost: number
  /** One line for each broken rule. */
  readonly violations: ReadonlyArray<string>
}

interface Run {
  readonly id: string
  readonly kind: string
  readonly on_unknown: string
  readonly fenced: boolean
  readonly idempotency_key: string
  readonly status: string
  readonly ambiguous: boolean
  readonly attempt: number
  readonly released: boolean
}

interface Event {
  readonly run_id: string
  readonly kind: string
  readonly from_status: string | null
  readonly to_status: string | null
  readonly attempt: number
  readonly reason: string | null
  readonly at: number
}

/** Counts slots minute by minute, independently of the scheduler's own code. */
const SLOTS = `
  with slots as (
    select i.id, i.integration_type, s as slot
      from organization_integrations i
     cross join lateral generate_series((i.config ->> 'first')::timestamptz, i.next_run_at - interval '1 minute', interval '1 minute') s),
  counted as (
    select s.*, (select count(*) from sync_run_log l where l.integration_id = s.id and l.scheduled_for = s.slot) as rows,
           (select count(*) from sync_skipped_range r where r.integration_id = s.id and s.slot between r."from" and r."to") as ranges
      from slots s)
  select count(*)::int as slots, count(*) filter (where rows = 0 and ranges = 0)::int as missing,
         count(*) filter (where rows > 1 or ranges > 1 or (rows = 1 and ranges = 1))::int as twice,
         count(*) filter (where rows = 0 and ranges = 1)::int as skipped_slots,
         (select count(*)::int from sync_run_log) as all_rows, sum(rows)::int as rows,
         (select coalesce(sum(count), 0)::int from sync_skipped_range) as recorded_as_skipped
    from counted`

const RULES: Readonly<Record<string, string>> = {
  "next_run_at is the slot after the last one, on the schedule's grid": `
    select id from organization_integrations i
     where next_run_at is null or next_run_at <> date_trunc('minute', next_run_at) or next_run_at > now() + interval '1 minute'
        or next_run_at <= (select max(scheduled_for) from sync_run_log l where l.integration_id = i.id)`,
  "no run is live": `
    select id from sync_run_log
     where status in ('pending', 'running') or (status = 'unknown' and released_at is null)`,
  "every run ends completed, or unknown and released by an operator": `
    select id from sync_run_log where status <> 'completed' and not (status = 'unknown' and released_at is not null)`,
  "the key of a run is its slot": `
    select id from sync_run_log
     where idempotency_key <> integration_id || ':' || to_char(scheduled_for at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
  "a completed run has its times": `
    select id from sync_run_log
     where status = 'completed' and (started_at is null or finished_at is null or drift_ms is null or duration_ms is null)`
}

const RULES_OF_TIME: Readonly<Record<string, string>> = {
  "one run of an integration at a time": `
    select a.id from sync_run_log a join sync_run_log b on a.integration_id = b.integration_id and a.scheduled_for < b.scheduled_for
     where a.status = 'completed' and b.started_at < a.finished_at`
}

/** Compares the ledger with the database. Call this function only after all engines have exited. */
export const audit = async (site: Site, exits: ReadonlyArray<EngineExit>): Promise<Findings> => {
  const violations: Array<string> = []
  const expectNone = (rule: string, broken: ReadonlyArray<string>) => {
    if (broken.length > 0) violations.push(`${rule}: ${broken.length}, such as ${broken[0]}`)
  }
  // If the test sets the clocks, timestamps from different clocks cannot be compared.
  const isSet = site.clocks !== undefined
  for (const [rule, query] of Object.entries(isSet ? RULES : { ...RULES, ...RULES_OF_TIME })) {
    expectNone(
      rule,
      (await site.query<{ id: string }>(query)).map((row) => row.id)
    )
  }
  const [counts] =
    await site.query<
      Record<
        | "slots"
        | "missing"
        | "twice"
        | "skipped_slots"
        | "all_rows"
        | "rows"
        | "recorded_as_skipped",
        number
      >
    >(SLOTS)
  if (counts === undefined) throw new Error("no slots")
  const runs = await site.query<Run>(
    `select l.id, l.integration_type as kind, i.on_unknown, i.fenced, l.idempotency_key, l.status, l.ambiguous, l.attempt,
            l.released_at is not null as released
       from sync_run_log l join organization_integrations i on i.id = l.integration_id`
  )
  const events = groupBy(
    await site.query<Event>(
      `select run_id, kind, from_status, to_status, attempt, reason, extract(epoch from at)::float8 * 1000 as at
         from sync_run_event where run_id is not null order by run_id, id`
    ),
    (event) => event.run_id
  )
  const effects = groupBy(site.ledger.read(), (effect) => effect.key)
  const eventsOf = (run: Run) => events.get(run.id) ?? []
  const booked = (run: Run): ReadonlyArray<Effect> => effects.get(run.idempotency_key) ?? []
  const repeats = (run: Run) => Math.max(0, booked(run).length - 1)
  /** Returns how often a run's effect may be repeated: once for each retry after an ambiguous outcome. */
  const allowed = (run: Run) =>
    run.on_unknown === "hold"
      ? 0
      : eventsOf(run).filter((e) => e.reason === "on_unknown_retry").length

  const idle = runs.filter((run) => run.status === "completed" && booked(run).length === 0)
  const doubled = runs.filter((run) => repeats(run) > allowed(run))
  expectNone("a completed run has an effect", idle.map(nameOf))
  expectNone("no effect is doubled", doubled.map(nameOf))
  if (counts.missing > 0) violations.push(`slots without a row or a range: ${counts.missing}`)
  if (counts.twice > 0) violations.push(`slots with more than one row or range: ${counts.twice}`)
  if (counts.rows !== counts.all_rows)
    violations.push("some rows are not for slots of their schedule")
  if (counts.skipped_slots !== counts.recorded_as_skipped)
    violations.push("some ranges have a wrong slot count")

  const keys = new Set(runs.map((run) => run.idempotency_key))
  expectNone(
    "every effect belongs to a run",
    [...effects.keys()].filter((key) => !keys.has(key))
  )
  for (const run of runs) {
    const broken = brokenHistory(run, eventsOf(run))
    if (broken !== undefined) violations.push(`${nameOf(run)}: ${broken}`)
  }
  const arrivals = groupBy(site.arrivals, (arrival) => `${arrival.runId} ${arrival.attempt}`)
  for (const [attempt, [first, ...more]] of arrivals) {
    if (more.length > 0) violations.push(`attempt ${attempt} was sent ${more.length + 1} times`)
    const started = events
      .get(first?.runId ?? "")
      ?.find((e) => e.kind === "started" && e.attempt === first?.attempt)
    const isLate = !isSet && started !== undefined && started.at > (first?.at ?? 0)
    if (started === undefined || isLate) {
      violations.push(`attempt ${attempt} was sent before its start was confirmed`)
    }
  }
  violations.push(...contradictedReports(exits, new Map(runs.map((run) => [run.id, run.status]))))

  return {
    slots: counts.slots,
    rows: counts.rows,
    skippedSlots: counts.skipped_slots,
    effects: [...effects.values()].reduce((sum, one) => sum + one.length, 0),
    repeatedRuns: runs.filter((run) => run.attempt > 1).length,
    allowedRepeats: runs.reduce((sum, run) => sum + Math.min(repeats(run), allowed(run)), 0),
    fencedRepeats: runs.reduce((sum, run) => sum + (run.fenced ? repeats(run) : 0), 0),
    invocations: site.arrivals.length,
    doubled: doubled.reduce((sum, run) => sum + repeats(run) - allowed(run), 0),
    lost: counts.missing + idle.length,
    violations
  }
}

const nameOf = (run: Run): string => `run ${run.id} (${run.kind}, ${run.status})`

/** Returns undefined if the events lead without a gap to the run's current status and include every attempt. */
const brokenHistory = (run: Run, events: ReadonlyArray<Event>): string | undefined => {
  let status: string | null = null
  for (const event of events) {
    if (event.from_status !== status)
      return `an event starts from ${event.from_status}, but the status was ${status}`
    status = event.to_status
  }
  if (status !== run.status) return `its events end in ${status}`
  const starts = events.filter((event) => event.kind === "started").length
  return starts === run.attempt
    ? undefined
    : `${starts} starts recorded, ${run.attempt} attempts made`
}

/** Lists runs that only a summary reports as completed, and engines that failed because of a bug. */
const contradictedReports = (
  exits: ReadonlyArray<EngineExit>,
  statuses: ReadonlyMap<string, string>
): ReadonlyArray<string> =>
  exits.flatMap(({ code, stderr, summary }) => {
    const runs: unknown = summary?.runs
    const broken = (Array.isArray(runs) ? runs : [])
      .filter((run) => run.status === "completed" && statuses.get(run.run_id) !== "completed")
      .map((run) => `an engine reported ${run.run_id} as completed`)
    const isBug =
      code === 1 || /a bug in/.test(stderr) || /ENGINE_DEFECT/.test(JSON.stringify(summary ?? null))
    return isBug
      ? [...broken, `an engine failed (${code}): ${stderr} ${JSON.stringify(summary?.errors)}`]
      : broken
  })

const groupBy = <A>(
  all: ReadonlyArray<A>,
  keyOf: (one: A) => string
): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const one of all) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}
