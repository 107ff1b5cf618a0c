import { Effect, Either, Schema } from "effect"
import { readStatus } from "../Database/OperatorRpc.ts"
import { whyUnreadable } from "../Database/ReadRows.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import { IntegrationStatus } from "../Domain/IntegrationStatus.ts"
import { SchedulerHealth } from "../Domain/SchedulerHealth.ts"
import { needsAttention, type StateContext, type StateName } from "../Domain/State.ts"
import { Supabase } from "../Services/Supabase.ts"
import { CauseGroup, causeGroups } from "./CauseGroup.ts"
import { headlineOf, heartbeatLine, noneCompleted } from "./Headline.ts"
import { IntegrationState, withState, worstFirst } from "./IntegrationState.ts"

/** The number of integrations per call. A page of this size is about 700 KB. */
const PAGE = 500
/** The maximum number of integrations to read. `truncated` is true if there are more. */
export const MAX_INTEGRATIONS = 20_000
/** How long a failed read of a page is retried, in milliseconds. */
const READ_WITHIN_MS = 5_000

const Counts = Schema.Struct({
  overdue: Schema.Int,
  invalid_schedule: Schema.Int,
  unknown: Schema.Int,
  failing: Schema.Int,
  retrying: Schema.Int,
  stale: Schema.Int,
  late: Schema.Int,
  running: Schema.Int,
  never_ran: Schema.Int,
  paused: Schema.Int,
  on_time: Schema.Int
})

/**
 * The states of all integrations: the output of `status -o json` and the response of `GET /api/status`. The values of `verdict`:
 *
 * - `never` and `stopped`: no engine is ticking, so no integration is shown as healthy.
 * - `attention`: an integration needs attention or cannot be read.
 * - `waiting`: nothing is wrong, but no integration has completed a run yet.
 * - `ok`: the only verdict that may be shown in green.
 */
export const Overview = Schema.Struct({
  /** The database's time. */
  now: Instant,
  schema_version: Schema.String,
  verdict: Schema.Literal("ok", "waiting", "attention", "stopped", "never"),
  /** The facts in one line, worst first: `1 overdue, 2 failing, 409 on time`. */
  headline: Schema.String,
  heartbeat: Schema.String,
  scheduler: SchedulerHealth,
  /** The number of integrations in the project, ignoring the filter. */
  total: Schema.Int,
  counts: Counts,
  /** The causes, worst first. */
  causes: Schema.Array(CauseGroup),
  /** The integrations, worst first. */
  integrations: Schema.Array(IntegrationState),
  /** Rows that this version cannot decode. They are not part of `integrations`. */
  unreadable: Schema.Array(Schema.Struct({ integration_id: Schema.String, why: Schema.String })),
  truncated: Schema.Boolean
})
export type Overview = typeof Overview.Type

/** Selects the integrations; the default is all. `search` is a part of an organisation's name or of a type, or an id prefix. */
export interface OverviewOptions {
  readonly driftAlertMs: number
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
  readonly integrationType?: string | undefined
  readonly search?: string | undefined
}

/** Reads the status of the selected integrations. *Fails with* SupabaseError. */
export const readOverview = (
  options: OverviewOptions
): Effect.Effect<Overview, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const rows: Array<unknown> = []
    let first: typeof readStatus.result.Type | undefined
    let cursor: string | null = null
    do {
      const page: typeof readStatus.result.Type = yield* supabase
        .call(readStatus, {
          ...filterOf(options),
          ...(cursor === null ? {} : { p_cursor: cursor })
        })
        .pipe(retryFor(READ_WITHIN_MS))
      first ??= page
      rows.push(...page.integrations)
      cursor = page.cursor
    } while (cursor !== null && rows.length < MAX_INTEGRATIONS)
    return overviewOf(first, rows, cursor !== null, options.driftAlertMs)
  }).pipe(Effect.withSpan("Operator.readOverview"))

const filterOf = (options: OverviewOptions): typeof readStatus.args.Type => ({
  p_limit: PAGE,
  ...(options.orgId === undefined ? {} : { p_org_id: options.orgId }),
  ...(options.integrationIds === undefined ? {} : { p_integration_ids: options.integrationIds }),
  ...(options.integrationType === undefined ? {} : { p_integration_type: options.integrationType }),
  ...(options.search === undefined ? {} : { p_search: options.search })
})

const decodeStatus = Schema.decodeUnknownEither(IntegrationStatus)
const decodeId = Schema.decodeUnknownEither(Schema.Struct({ integration_id: Schema.String }))

const overviewOf = (
  page: typeof readStatus.result.Type,
  rows: ReadonlyArray<unknown>,
  truncated: boolean,
  driftAlertMs: number
): Overview => {
  const { now, schema_version, scheduler, total } = page
  const frame: StateContext = { now, driftAlertMs, scheduler }
  const integrations: Array<IntegrationState> = []
  const unreadable: Array<Overview["unreadable"][number]> = []
  for (const row of rows) {
    const status = decodeStatus(row)
    if (Either.isRight(status)) integrations.push(withState(status.right, frame))
    else {
      const id = decodeId(row)
      unreadable.push({
        integration_id: Either.isRight(id) ? id.right.integration_id : "?",
        why: whyUnreadable(status.left)
      })
    }
  }
  return {
    now,
    schema_version,
    total,
    ...summariseStates(integrations, unreadable, scheduler, now),
    truncated
  }
}

/** Sorts the integrations worst first and summarises their states. */
export const summariseStates = (
  integrations: ReadonlyArray<IntegrationState>,
  unreadable: Overview["unreadable"],
  scheduler: SchedulerHealth,
  now: number
): Omit<Overview, "now" | "schema_version" | "total" | "truncated"> => {
  const sorted = integrations.toSorted(worstFirst)
  const seen = {
    verdict: verdictOf(scheduler, sorted, unreadable.length),
    counts: countStates(sorted),
    causes: causeGroups(sorted),
    integrations: sorted,
    unreadable
  }
  return {
    ...seen,
    headline: headlineOf(seen),
    heartbeat: heartbeatLine(scheduler, now),
    scheduler
  }
}

const verdictOf = (
  { verdict }: SchedulerHealth,
  integrations: ReadonlyArray<IntegrationState>,
  unreadable: number
): Overview["verdict"] => {
  if (verdict !== "ticking") return verdict
  if (unreadable > 0 || integrations.some(({ state }) => needsAttention(state))) return "attention"
  return noneCompleted(integrations) === null ? "ok" : "waiting"
}

const countStates = (list: ReadonlyArray<IntegrationState>): Overview["counts"] => {
  const counts: Record<StateName, number> = {
    overdue: 0,
    invalid_schedule: 0,
    unknown: 0,
    failing: 0,
    retrying: 0,
    stale: 0,
    late: 0,
    running: 0,
    never_ran: 0,
    paused: 0,
    on_time: 0
  }
  for (const { state } of list) counts[state] += 1
  return counts
}
