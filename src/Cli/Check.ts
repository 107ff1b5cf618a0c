import { Cause, Effect, type Either, Option, Schema } from "effect"
import type { Fault } from "../Domain/Duration.ts"
import * as Duration from "../Domain/Duration.ts"
import * as Threshold from "../Domain/Threshold.ts"
import { type Overview, readOverview } from "../Operator/Overview.ts"
import type { Arguments, Cli, Main } from "./Command.ts"
import { connect, databaseError } from "./Database.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { safe } from "./Style.ts"

/** One figure of a Nagios plugin: `overdue=1;1;1;0`. Spans are in seconds. */
const Figure = Schema.Struct({
  name: Schema.String,
  value: Schema.NullOr(Schema.Number),
  unit: Schema.Literal("", "s"),
  warning: Schema.NullOr(Schema.Number),
  critical: Schema.NullOr(Schema.Number)
})
type Figure = typeof Figure.Type

/** What `check -o json` prints. */
const CheckReport = Schema.Struct({
  level: Schema.Literal("OK", "WARNING", "CRITICAL", "UNKNOWN"),
  summary: Schema.String,
  figures: Schema.Array(Figure)
})
type CheckReport = typeof CheckReport.Type
export const json = CheckReport

/**
 * `check`: one line as the plugins of Nagios and its heirs write it, and their exit codes: 0 OK, 1 WARNING, 2 CRITICAL,
 * 3 UNKNOWN, which is also how everything ends that keeps it from knowing.
 */
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
    const database = yield* connect(cli)
    const overview = yield* readOverview({
      driftAlertMs: overdue.warning ?? overdue.critical ?? 0
    }).pipe(Effect.provide(database), Effect.mapError(databaseError))
    return judge(overview, { overdue, tickAge, failing })
  })

const thresholdFlag = (
  given: Arguments,
  flag: string,
  initial: string,
  read: (text: string) => Either.Either<Threshold.Threshold, Fault>
): Effect.Effect<Threshold.Threshold, CommandError> =>
  Effect.mapError(read(given.value(flag) ?? initial), ({ fix, why }) =>
    usageError(`--${flag} is "${given.value(flag)}": ${why}`, fix)
  )

interface Thresholds {
  readonly overdue: Threshold.Threshold
  readonly tickAge: Threshold.Threshold
  readonly failing: Threshold.Threshold
}

/** What an overview means to a monitor. Unknown outcomes and schedules that cannot be computed count as failing. */
export const judge = (overview: Overview, thresholds: Thresholds): CheckReport => {
  const { counts, integrations, now, scheduler } = overview
  const overdue = integrations.filter(({ state }) => state === "overdue")
  const oldestMs = overdue.reduce((most, { since }) => Math.max(most, now - (since ?? now)), 0)
  const last = scheduler.last_activity_at
  const ageMs = last === null ? null : now - last
  const troubled = counts.failing + counts.unknown + counts.invalid_schedule + counts.breaker_open
  const levels: ReadonlyArray<readonly [level: Threshold.Level, why: string]> = [
    [
      ageMs === null ? "CRITICAL" : Threshold.judge(ageMs, thresholds.tickAge),
      ageMs === null ? "no engine has ticked yet" : `no tick for ${Duration.rough(ageMs)}`
    ],
    [
      overdue.length === 0 ? "OK" : Threshold.judge(oldestMs, thresholds.overdue),
      `${overdue.length} overdue (${nameOf(overdue)} for ${Duration.rough(oldestMs)})`
    ],
    [Threshold.judge(troubled, thresholds.failing), troublesOf(counts)]
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
    summary: reasons.length === 0 ? `${overview.headline}; ${overview.pulse}` : reasons.join(", "),
    figures: [
      figure("tick_age", ageMs, thresholds.tickAge, true),
      figure("overdue", overdue.length),
      figure("oldest_overdue", oldestMs, thresholds.overdue, true),
      figure("troubled", troubled, thresholds.failing),
      figure("failing", counts.failing),
      figure("unknown", counts.unknown),
      figure("running", counts.running),
      figure("on_time", counts.on_time),
      figure("integrations", overview.total)
    ]
  }
}

const nameOf = ([first]: Overview["integrations"]): string =>
  first === undefined
    ? ""
    : `${first.org_name ?? first.org_id.slice(0, 8)} ${first.integration_type}`

const troublesOf = (counts: Overview["counts"]): string =>
  [
    [counts.failing, "failing"],
    [counts.unknown, "unknown"],
    [counts.breaker_open, "breaker open"],
    [counts.invalid_schedule, "invalid schedule"]
  ]
    .flatMap(([n, word]) => (n === 0 ? [] : [`${n} ${word}`]))
    .join(", ")

/** A plugin's line is cut at `|` and at its end; names are whatever people wrote. */
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
