import { Effect, Either, Order, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import { readStatus } from "../Domain/OperatorRpc.ts"
import { Pulse } from "../Domain/Pulse.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import { Standing } from "../Domain/Standing.ts"
import {
  APPEARANCE,
  compare,
  decide,
  type Frame,
  needsAttention,
  StateName,
  Tone
} from "../Domain/State.ts"
import { Supabase } from "../Services/Supabase.ts"

/** Integrations in one call; some 700 KB. */
const PAGE = 500
/** More are not looked at; the overview then says so. */
export const MAX_INTEGRATIONS = 20_000
/** How long a page is tried again. */
const READ_WITHIN_MS = 5_000

/** One integration: how it stands, and what that means. `symbol` and `word` are for people, `state` for programs. */
export const IntegrationState = Schema.Struct({
  ...Standing.fields,
  state: StateName,
  word: Schema.String,
  symbol: Schema.String,
  tone: Tone,
  /** Since when; a slot or an instant. */
  since: Schema.NullOr(Instant),
  why: Schema.String
})
export type IntegrationState = typeof IntegrationState.Type

const Counts = Schema.Struct({
  overdue: Schema.Int,
  invalid_schedule: Schema.Int,
  unknown: Schema.Int,
  breaker_open: Schema.Int,
  failing: Schema.Int,
  stale: Schema.Int,
  late: Schema.Int,
  no_data: Schema.Int,
  running: Schema.Int,
  paused: Schema.Int,
  on_time: Schema.Int
})

/**
 * How everything is, in one value: what `status -o json` prints and `GET /api/status` answers. `verdict`: `never` and
 * `stopped` mean that nothing ticks, and that nothing here may be shown as fine; `attention` that somebody should look.
 */
export const Overview = Schema.Struct({
  /** By the database's clock. */
  now: Instant,
  schema_version: Schema.String,
  verdict: Schema.Literal("ok", "attention", "stopped", "never"),
  /** `1 overdue, 2 failing, 409 on time`: the worst first. */
  headline: Schema.String,
  /** What is known of ticks, in one line. */
  pulse: Schema.String,
  scheduler: Pulse,
  /** All integrations of the project, whatever was asked for. */
  total: Schema.Int,
  counts: Counts,
  /** The worst first. */
  integrations: Schema.Array(IntegrationState),
  /** Rows that this version cannot read: they are not among the integrations, but they are there. */
  unreadable: Schema.Array(Schema.Struct({ integration_id: Schema.String, why: Schema.String })),
  /** Not all were looked at. */
  truncated: Schema.Boolean
})
export type Overview = typeof Overview.Type

/** What to look at; everything when left out. `search`: part of an organisation's name or of a type, or of an id's beginning. */
export interface OverviewOptions {
  readonly driftAlertMs: number
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
  readonly integrationType?: string | undefined
  readonly search?: string | undefined
}

/** Reads how everything stands and decides what that means. Writes nothing. *Fails with* SupabaseError. */
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
        .pipe(repeatFor(READ_WITHIN_MS))
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

const decodeStanding = Schema.decodeUnknownEither(Standing)
const decodeId = Schema.decodeUnknownEither(Schema.Struct({ integration_id: Schema.String }))

/** An integration with its state. */
export const withState = (standing: Standing, frame: Frame): IntegrationState => {
  const state = decide(standing, frame)
  return { ...standing, ...state, ...APPEARANCE[state.state] }
}

const worstFirst: Order.Order<IntegrationState> = Order.combine(
  Order.make((a, b) => {
    const order = compare(a, b)
    return order < 0 ? -1 : order > 0 ? 1 : 0
  }),
  Order.mapInput(Order.string, ({ integration_id }) => integration_id)
)

const overviewOf = (
  page: typeof readStatus.result.Type,
  rows: ReadonlyArray<unknown>,
  truncated: boolean,
  driftAlertMs: number
): Overview => {
  const { now, schema_version, scheduler, total } = page
  const frame: Frame = { now, driftAlertMs, pulse: scheduler }
  const integrations: Array<IntegrationState> = []
  const unreadable: Array<Overview["unreadable"][number]> = []
  for (const row of rows) {
    const standing = decodeStanding(row)
    if (Either.isRight(standing)) integrations.push(withState(standing.right, frame))
    else {
      const id = decodeId(row)
      unreadable.push({
        integration_id: Either.isRight(id) ? id.right.integration_id : "?",
        why: standing.left.message.slice(0, 300)
      })
    }
  }
  integrations.sort(worstFirst)
  const counts = countStates(integrations)
  const isFine = unreadable.length === 0 && !integrations.some(({ state }) => needsAttention(state))
  const { verdict } = scheduler
  return {
    now,
    schema_version,
    verdict: verdict === "ticking" ? (isFine ? "ok" : "attention") : verdict,
    headline: headlineOf(counts, unreadable.length),
    pulse: pulseLine(scheduler, now),
    scheduler,
    total,
    counts,
    integrations,
    unreadable,
    truncated
  }
}

const countStates = (list: ReadonlyArray<IntegrationState>): Overview["counts"] => {
  const counts: Record<StateName, number> = {
    overdue: 0,
    invalid_schedule: 0,
    unknown: 0,
    breaker_open: 0,
    failing: 0,
    stale: 0,
    late: 0,
    no_data: 0,
    running: 0,
    paused: 0,
    on_time: 0
  }
  for (const { state } of list) counts[state] += 1
  return counts
}

const headlineOf = (counts: Overview["counts"], unreadable: number): string => {
  const parts = StateName.literals
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name].toLocaleString("en-US")} ${APPEARANCE[name].word}`)
  if (unreadable > 0) parts.unshift(`${unreadable} unreadable`)
  return parts.length === 0 ? "no integrations" : parts.join(", ")
}

/** `last tick 4 s ago, took 1.9 s, by web-1-77-0c1f`; whether anything ticks at all comes first. */
export const pulseLine = ({ last_activity_at, last_tick, verdict }: Pulse, now: number): string => {
  if (last_tick === null) return "no engine has ticked yet"
  const { due, engine_id, finished_at, started_at } = last_tick
  const came =
    finished_at === null
      ? "not finished"
      : `took ${Duration.format(finished_at - started_at)}, ${due === 0 ? "nothing was due" : `${due} due`}`
  const last = `last tick ${Duration.rough(now - started_at)} ago, ${came}, by ${engine_id}`
  if (verdict === "ticking") return last
  return `ticks have stopped: no sign of life for ${Duration.rough(now - (last_activity_at ?? started_at))}; ${last}`
}
