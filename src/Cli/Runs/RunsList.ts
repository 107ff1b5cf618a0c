import { Effect, Schema } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import type { RunStatus } from "../../Domain/Run.ts"
import { type RecordedFailure, reasonOf } from "../../Domain/RunReason.ts"
import type { ListedRun } from "../../Domain/RunView.ts"
import { attemptOf } from "../../Domain/RunView.ts"
import { shortIds } from "../../Operator/NameResolver.ts"
import { listRuns, RUN_APPEARANCE, type RunFilter, RunsPage } from "../../Operator/Runs.ts"
import type { Cli, Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { type CommandError, usageError } from "../Failure.ts"
import { orgFields } from "../Fields.ts"
import {
  type Field,
  type ListClock,
  listing,
  nameOf,
  PAINT,
  plainInstant,
  shortTime,
  timeTitle,
  tsv
} from "../Listing.ts"
import { databaseNow, scopeOf } from "../Target.ts"
import { momentFlag, spanFlag, zoneFlag } from "../TimeArgument.ts"
import { integerFlag } from "../Values.ts"

const DEFAULT_LIMIT = 50

/** `runs list`: lists runs, newest slot first. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given } = cli
      const now = given.has("since") || given.has("until") ? yield* databaseNow : 0
      const zone = yield* zoneFlag(given)
      const since = yield* momentFlag(given, "since", now, zone)
      const until = yield* momentFlag(given, "until", now, zone)
      const late = given.has("late") ? settings.driftAlert : yield* spanFlag(given, "later-than")
      const filter: RunFilter = {
        since,
        until,
        statuses: yield* statusesOf(cli),
        lateMs: late,
        integrationIds: yield* scopeOf(given),
        limit: (yield* integerFlag(given, "limit", 1, 1000)) ?? DEFAULT_LIMIT,
        cursor: given.value("cursor")
      }
      const page = yield* Effect.mapError(listRuns(filter), databaseError)
      yield* print(page, zone, cli)
      return 0 as const
    })
  )

/** Returns the statuses to list, or undefined to list all. */
export const statusesOf = ({
  arguments: given
}: Pick<Cli, "arguments">): Effect.Effect<ReadonlyArray<RunStatus> | undefined, CommandError> => {
  const wanted: Array<RunStatus> = []
  if (given.has("failed")) wanted.push("failed", "unknown")
  if (given.has("live")) wanted.push("pending", "running", "unknown")
  for (const text of given.values("status")) {
    if (!isStatus(text)) {
      return Effect.fail(
        usageError(
          `--status is "${text}": this is not a run status`,
          `Use one of ${Object.keys(RUN_APPEARANCE).join(", ")}.`
        )
      )
    }
    wanted.push(text)
  }
  return Effect.succeed(wanted.length === 0 ? undefined : [...new Set(wanted)])
}

const isStatus = (text: string): text is RunStatus => Object.hasOwn(RUN_APPEARANCE, text)

export const json = RunsPage
const encode = Schema.encodeSync(json)

const print = (page: RunsPage, zone: string, { arguments: given, terminal }: Cli) =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(encode(page))
    if (terminal.format === "jsonl") {
      const { runs, ...rest } = encode(page)
      for (const run of runs) yield* terminal.printJson({ type: "run", ...run })
      return yield* terminal.printJson({ type: "page", ...rest })
    }
    const fields = runFields(page.runs, { zone, now: page.now })
    if (page.unreadable > 0)
      terminal.note(`note: ${page.unreadable} runs cannot be read by this version`)
    if (terminal.format === "tsv") return yield* terminal.print(tsv(fields, page.runs).join("\n"))
    const lines = page.runs.length === 0 ? ["No runs."] : listing(fields, page.runs, terminal)
    const more =
      page.cursor === null
        ? []
        : ["", `More: ${given.lineWithout("cursor")} --cursor '${page.cursor}'`]
    yield* terminal.print([...lines, ...more].join("\n"))
  })

export const runFields = (
  runs: ReadonlyArray<ListedRun>,
  clock: ListClock
): ReadonlyArray<Field<ListedRun>> => {
  const shortId = shortIds(runs.map(({ run_id }) => run_id))
  const span = (ms: number | null) => ({ text: ms === null ? "-" : Duration.format(ms) })
  return [
    {
      title: "RESULT",
      show: ({ status }) => {
        const { severity, symbol, word } = RUN_APPEARANCE[status]
        return { text: `${symbol} ${word}`, paint: PAINT[severity] }
      },
      plain: ({ status }) => status
    },
    {
      title: timeTitle("DUE", clock),
      name: "due",
      show: ({ scheduled_for }) => ({ text: shortTime(scheduled_for, clock) }),
      plain: ({ scheduled_for }) => plainInstant(scheduled_for)
    },
    ...orgFields,
    {
      title: "INTEGRATION",
      show: ({ integration_type }) => ({ text: nameOf(integration_type ?? "-") }),
      plain: ({ integration_type }) => integration_type
    },
    { title: "INTEGRATION ID", show: null, plain: ({ integration_id }) => integration_id },
    {
      title: "RUN",
      show: ({ run_id }) => ({ text: shortId(run_id), paint: "dim" }),
      plain: ({ run_id }) => run_id
    },
    { title: "TRIGGER", show: null, plain: ({ trigger }) => trigger },
    {
      title: "LATE BY",
      name: "late_ms",
      align: "right",
      show: ({ drift_ms }) => span(drift_ms),
      plain: ({ drift_ms }) => drift_ms
    },
    {
      title: "TOOK",
      name: "took_ms",
      narrow: "leave out",
      align: "right",
      show: ({ duration_ms }) => span(duration_ms),
      plain: ({ duration_ms }) => duration_ms
    },
    {
      title: "ATTEMPT",
      narrow: "leave out",
      show: (run) => ({ text: attemptOf(run) }),
      plain: ({ attempt }) => attempt
    },
    { title: "WHY", show: (run) => ({ text: whyOf(run) }), plain: whyOf }
  ]
}

/**
 * Returns the reason for a failure or a skip, or the trigger of a completed run outside the schedule. Otherwise returns an empty
 * string.
 */
export const whyOf = (
  run: RecordedFailure & Pick<ListedRun, "status" | "skip_reason" | "trigger">
): string => {
  if (run.status === "skipped") return run.skip_reason ?? ""
  if (run.status === "completed") return run.trigger === "schedule" ? "" : run.trigger
  return reasonOf(run)
}
