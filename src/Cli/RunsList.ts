import { Effect, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { RunStatus } from "../Domain/Run.ts"
import type { ListedRun } from "../Domain/RunView.ts"
import { shortIds } from "../Operator/Naming.ts"
import { listRuns, RUN_APPEARANCE, type RunFilter, RunsPage } from "../Operator/Runs.ts"
import type { Cli, Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { orgFields } from "./Fields.ts"
import { type Field, listing, nameOf, PAINT, plainInstant, shortTime } from "./Listing.ts"
import { momentFlag, spanFlag } from "./Moment.ts"
import { databaseNow, scopeOf } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"
import { integerFlag } from "./Values.ts"

const DEFAULT_LIMIT = 50

/** `runs list`: runs, the newest slot first. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const now = given.has("since") || given.has("until") ? yield* databaseNow : 0
      const since = yield* momentFlag(given, "since", now)
      const until = yield* momentFlag(given, "until", now)
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
      yield* print(page, terminal)
      return 0 as const
    })
  )

/** The states that the flags name; undefined: all. */
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
          `--status is "${text}": it is no status of a run`,
          `Write one of ${Object.keys(RUN_APPEARANCE).join(", ")}.`
        )
      )
    }
    wanted.push(text)
  }
  return Effect.succeed(wanted.length === 0 ? undefined : [...new Set(wanted)])
}

const isStatus = (text: string): text is RunStatus => Object.hasOwn(RUN_APPEARANCE, text)

/** A page of runs. */
export const json = RunsPage
const encode = Schema.encodeSync(json)

const print = (page: RunsPage, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(encode(page))
    if (terminal.format === "jsonl") {
      const { runs, ...rest } = encode(page)
      for (const run of runs) yield* terminal.printJson({ type: "run", ...run })
      return yield* terminal.printJson({ type: "page", ...rest })
    }
    const lines = [...listing(runFields(page.runs, page.now), page.runs, terminal)]
    if (terminal.width !== null) {
      if (page.runs.length === 0) lines.push("No runs.")
      if (page.cursor !== null) lines.push("", `More: --cursor '${page.cursor}'`)
    }
    if (page.unreadable > 0)
      terminal.note(`note: ${page.unreadable} runs cannot be read by this version`)
    if (lines.length > 0) yield* terminal.print(lines.join("\n"))
  })

/** The columns of a list of runs. */
export const runFields = (
  runs: ReadonlyArray<ListedRun>,
  now: number
): ReadonlyArray<Field<ListedRun>> => {
  const shortId = shortIds(runs.map(({ run_id }) => run_id))
  const span = (ms: number | null) => ({ text: ms === null ? "-" : Duration.format(ms) })
  return [
    {
      title: "RESULT",
      show: ({ status }) => {
        const { symbol, tone, word } = RUN_APPEARANCE[status]
        return { text: `${symbol} ${word}`, paint: PAINT[tone] }
      },
      plain: ({ status }) => status
    },
    {
      title: "SLOT",
      show: ({ scheduled_for, timezone }) => ({ text: shortTime(scheduled_for, timezone, now) }),
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
      align: "right",
      show: ({ drift_ms }) => span(drift_ms),
      plain: ({ drift_ms }) => drift_ms
    },
    {
      title: "TOOK",
      narrow: "leave out",
      align: "right",
      show: ({ duration_ms }) => span(duration_ms),
      plain: ({ duration_ms }) => duration_ms
    },
    {
      title: "TRY",
      narrow: "leave out",
      show: ({ attempt, max_attempts }) => ({ text: `${attempt}/${max_attempts}` }),
      plain: ({ attempt }) => attempt
    },
    { title: "WHY", show: (run) => ({ text: whyOf(run) }), plain: whyOf }
  ]
}

/** `HTTP 401 UNAUTHORIZED: the token was revoked`; empty for a run that is fine. */
export const whyOf = (
  run: Pick<
    ListedRun,
    "status" | "http_status" | "error_code" | "error_message" | "skip_reason" | "trigger"
  >
): string => {
  if (run.status === "skipped") return run.skip_reason ?? ""
  if (run.status === "completed") return run.trigger === "schedule" ? "" : run.trigger
  const code = [run.http_status === null ? "" : `HTTP ${run.http_status}`, run.error_code ?? ""]
    .filter(Boolean)
    .join(" ")
  return [code, run.error_message ?? ""].filter(Boolean).join(": ")
}
