import { Cause, Effect, type Either, Option, Schema } from "effect"
import type { DurationProblem } from "../../Domain/Duration.ts"
import * as Duration from "../../Domain/Duration.ts"
import type { StateName } from "../../Domain/State.ts"
import * as Threshold from "../../Domain/Threshold.ts"
import type { CauseGroup } from "../../Operator/CauseGroup.ts"
import { noneCompleted } from "../../Operator/Headline.ts"
import { type Overview, readOverview } from "../../Operator/Overview.ts"
import type { Arguments, Cli, Main } from "../Command.ts"
import { connect, databaseError } from "../Database.ts"
import { type CommandError, usageError } from "../Failure.ts"
import { safe } from "../Style.ts"

/** One item of Nagios performance data: `overdue=1;1;1;0`. Durations are in seconds. */
const Figure = Schema.Struct({
  name: Schema.String,
  value: Schema.NullOr(Schema.Number),
  unit: Schema.Literal("", "s"),
  warning: Schema.NullOr(Schema.Number),
  critical: Schema.NullOr(Schema.Number)
})
type Figure = typeof Figure.Type

const CheckReport = Schema.Struct({
  level: Schema.Literal("OK", "WARNING", "UNKNOWN", "CRITICAL"),
  summary: Schema.String,
  figures: Schema.Array(Figure)
})
type CheckReport = typeof CheckReport.Type
export const json = CheckReport

/** `check`: prints one line in the format of Nagios plugins. An error that prevents a verdict results in UNKNOWN. */
export const main: Main = (cli) =>
  look(cli).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause)
        : Effect.succeed<CheckReport>({
            level: "UNKNOWN",
            summary: Option.match(Cause.failureOption(cause), {
              onNone: () => `a bug in sync-scheduler: ${Cause.pretty(cause).split("\n")[0] ?? ""}`,
              onSome: ({ errors: [first] }) => `${first.message}. ${first.hint}`
            }),
            figures: []
          })
    ),
    Effect.tap((report) => print(report, cli)),
    Effect.map((report) => CODES[report.level])
  )

const CODES = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const

const look = (cli: Cli): Effect.Effect<CheckReport, CommandError> =>
  Effect.gen(function* () {
    const given = cli.arguments
    const overdue = yield* thresholdFlag(given, "overdue", "5m,10m", Threshold.spans)
    const tickAge = yield* thresholdFlag(given, "tick-age", "3m,5m", Threshold.spans)
    const failing = yield* thresholdFlag(given, "failing", "1,", Threshold.counts)
    const retrying = yield* thresholdFlag(given, "retrying", "1,", Threshold.counts)
    const database = yield* connect(cli)
    const overview = yield* readOverview({
      driftAlertMs: overdue.warning ?? overdue.critical ?? 0
    }).pipe(Effect.provide(database), Effect.mapError(databaseError))
    return judgeStatus(overview, { overdue, tickAge, failing, retrying })
  })

const thresholdFlag = (
  given: Arguments,
  flag: string,
  initial: string,
  read: (text: string) => Either.Either<Threshold.Threshold, DurationProblem>
): Effect.Effect<Threshold.Threshold, CommandError> =>
  Effect.mapError(read(given.value(flag) ?? initial), ({ fix, why }) =>
    usageError(`--${flag} is "${given.value(flag)}": ${why}`, fix)
  )

interface Thresholds {
  readonly overdue: Threshold.Threshold
  readonly tickAge: Threshold.Threshold
  readonly failing: Threshold.Threshold
  /** The threshold for the number of pending retries with the same cause. */
  readonly retrying: Threshold.Threshold
}

/**
 * Derives the verdict from an overview. Unknown outcomes and invalid schedules count as failing. With the default thresholds, OK
 * means that the newest attempted run of every integration completed and nothing else needs attention.
 */
export const judgeStatus = (overview: Overview, thresholds: Thresholds): CheckReport => {
  const { causes, counts, integrations, now, scheduler, verdict } = overview
  const overdue = integrations.filter(({ state }) => state === "overdue")
  const oldestMs = overdue.reduce((most, { since }) => Math.max(most, now - (since ?? now)), 0)
  const last = scheduler.last_activity_at
  const ageMs = last === null ? null : now - last
  const troubled = counts.failing + counts.unknown + counts.invalid_schedule
  const retrying = causes.filter(({ state }) => state === "retrying")
  const refusals = retrying.reduce((most, { attempts }) => Math.max(most, attempts), 0)
  const none = noneCompleted(integrations)
  const warnIf = (isSo: boolean): Threshold.Level => (isSo ? "WARNING" : "OK")
  const levels: ReadonlyArray<readonly [level: Threshold.Level, why: string]> = [
    [
      ageMs === null ? "CRITICAL" : Threshold.levelOf(ageMs, thresholds.tickAge),
      ageMs === null ? "no engine has ticked yet" : `no tick for ${Duration.rough(ageMs)}`
    ],
    [
      Threshold.worst([
        warnIf(overdue.length > 0),
        overdue.length === 0 ? "OK" : Threshold.levelOf(oldestMs, thresholds.overdue)
      ]),
      `${overdue.length} overdue (${nameOf(overdue)} for ${Duration.rough(oldestMs)})`
    ],
    [Threshold.levelOf(troubled, thresholds.failing), causeList(causes, TROUBLE)],
    [Threshold.levelOf(refusals, thresholds.retrying), causeList(causes, ["retrying"])],
    [warnIf(counts.late > 0), `${counts.late} late`],
    [warnIf(counts.stale > 0 && verdict === "attention"), `${counts.stale} not known`],
    [warnIf(verdict === "stopped" && ageMs !== null), "ticks have stopped"],
    [warnIf(none !== null), none ?? ""],
    [overview.unreadable.length > 0 ? "UNKNOWN" : "OK", `${overview.unreadable.length} unreadable`],
    [overview.truncated ? "UNKNOWN" : "OK", "not all integrations were read"]
  ]
  const level = Threshold.worst(levels.map(([one]) => one))
  const reasons = levels.filter(([one]) => one !== "OK").map(([, why]) => why)
  const seconds = (ms: number | null) => (ms === null ? null : Math.round(ms / 1000))
  const figure = (
    name: string,
    value: number | null,
    threshold: Partial<Threshold.Threshold> = {},
    isSpan = false
  ): Figure => ({
    name,
    value: isSpan ? seconds(value) : value,
    unit: isSpan ? "s" : "",
    warning: isSpan ? seconds(threshold.warning ?? null) : (threshold.warning ?? null),
    critical: isSpan ? seconds(threshold.critical ?? null) : (threshold.critical ?? null)
  })
  return {
    level,
    summary:
      reasons.length === 0 ? `${overview.headline}; ${overview.heartbeat}` : reasons.join(", "),
    figures: [
      figure("tick_age", ageMs, thresholds.tickAge, true),
      figure("overdue", overdue.length),
      figure("oldest_overdue", oldestMs, thresholds.overdue, true),
      figure("troubled", troubled, thresholds.failing),
      figure("failing", counts.failing),
      figure("unknown", counts.unknown),
      figure("retrying", counts.retrying),
      figure("refusals", refusals, thresholds.retrying),
      figure("running", counts.running),
      figure("on_time", counts.on_time),
      figure("unreadable", overview.unreadable.length),
      figure("integrations", overview.total)
    ]
  }
}

const TROUBLE: ReadonlyArray<StateName> = ["invalid_schedule", "unknown", "failing"]
/** The maximum number of causes to name. The rest are counted. */
const NAMED = 3

/** Lists the failing integrations by cause: `3 failing (xledger: 2 × TOKEN_EXPIRED, xero: HTTP_500)`. */
const causeList = (causes: ReadonlyArray<CauseGroup>, states: ReadonlyArray<StateName>): string =>
  states
    .flatMap((state) => {
      const own = causes.filter((cause) => cause.state === state)
      const [first] = own
      if (first === undefined) return []
      const more = own.length - NAMED
      const labels = own
        .slice(0, NAMED)
        .map(({ code, integration_type, label }) => (code === null ? integration_type : label))
      const named = [...labels, ...(more > 0 ? [`and ${more} more causes`] : [])].join(", ")
      return [`${own.reduce((sum, { count }) => sum + count, 0)} ${first.word} (${named})`]
    })
    .join(", ")

const nameOf = ([first]: Overview["integrations"]): string =>
  first === undefined
    ? ""
    : `${first.org_name ?? first.org_id.slice(0, 8)} ${first.integration_type}`

/** Replaces `|` and line breaks, which would end the status text. */
const plain = (text: string): string => safe(text).replaceAll("|", "/").slice(0, 500)

const print = ({ figures, level, summary }: CheckReport, { terminal }: Cli) => {
  if (terminal.format !== "text") return terminal.printJson({ level, summary, figures })
  const data = figures.map(({ critical, name, unit, value, warning }) => {
    const known = value === null ? "U" : `${value}${unit}`
    return `${name}=${known};${warning ?? ""};${critical ?? ""};0`
  })
  const line = `SYNC ${level} - ${plain(summary)}`
  return terminal.print(data.length === 0 ? line : `${line} | ${data.join(" ")}`)
}
