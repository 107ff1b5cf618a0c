import { Effect, Schema } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import { Instant } from "../../Domain/Instant.ts"
import { attemptOf } from "../../Domain/RunView.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { type Explanation, explain, Explanation as Shape } from "../../Operator/Explanation.ts"
import { displayName, type Named } from "../../Operator/NameResolver.ts"
import { selectToExplain } from "../../Operator/Selection.ts"
import type { ExplainedSlot, SlotOutcome } from "../../Operator/SlotTimeline.ts"
import type { Cli, Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import type { CommandError } from "../Failure.ts"
import {
  type Field,
  type ListClock,
  lead,
  listing,
  PAINT,
  plainInstant,
  prose,
  shortTime,
  tsv
} from "../Listing.ts"
import { safe } from "../Style.ts"
import type { Cell } from "../Table.ts"
import { databaseNow, targets } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { windowOn, zoneFlag } from "../TimeArgument.ts"

/** The default maximum number of slots in text output. */
const SHOWN = 12

/** `more` is the number of omitted integrations. Integrations with failed or unknown runs are omitted last. */
export const json = Schema.Struct({
  now: Instant,
  explanations: Schema.Array(Shape),
  more: Schema.Int
})

/** `explain`: shows whether an organisation's syncs ran, and why. Exits with 0, whatever the answer. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given } = cli
      const found = yield* targets(given.positionals[0] ?? "", given.positionals[1])
      const now = yield* databaseNow
      const windows = yield* Effect.forEach(
        [...new Set(found.map(({ timezone }) => timezone))],
        (timezone) => windowOn(given, timezone, now)
      )
      const from = Math.min(...windows.map((window) => window.from))
      const to = Math.max(...windows.map((window) => window.to))
      const chosen = yield* Effect.mapError(
        selectToExplain(found, { from, to, driftAlertMs: settings.driftAlert }),
        databaseError
      )
      const explanations = yield* Effect.forEach(
        chosen,
        (one) =>
          Effect.gen(function* () {
            const { from, to } = yield* windowOn(given, one.timezone, now)
            const explanation = yield* Effect.mapError(
              explain({
                integrationId: one.integration_id,
                from,
                to,
                driftAlertMs: settings.driftAlert
              }),
              databaseError
            )
            return { one, explanation }
          }),
        { concurrency: 4 }
      )
      yield* print(now, explanations, found.length - chosen.length, cli)
      return 0 as const
    })
  )

interface Explained {
  readonly one: Named
  readonly explanation: Explanation
}

const encode = Schema.encodeSync(json)
const encodeOne = Schema.encodeSync(Shape)

const print = (
  now: number,
  list: ReadonlyArray<Explained>,
  more: number,
  { arguments: given, terminal }: Cli
): Effect.Effect<void, CommandError> =>
  Effect.gen(function* () {
    const explanations = list.map(({ explanation }) => explanation)
    if (terminal.format === "json") {
      return yield* terminal.printJson(encode({ now, explanations, more }))
    }
    const others = `... and ${more.toLocaleString("en-US")} more integrations: sync-scheduler status --all --org ${list[0]?.one.org_id}`
    if (terminal.format !== "text" && more > 0) terminal.note(`note: ${others}`)
    if (terminal.format === "jsonl") {
      return yield* Effect.forEach(
        explanations,
        (one) => terminal.printJson({ type: "explanation", ...encodeOne(one) }),
        { discard: true }
      )
    }
    if (terminal.format === "tsv") {
      const rows = list.flatMap(({ explanation, one }) =>
        rowsOf(explanation.slots).map((row) => ({ ...row, ...one }))
      )
      return yield* terminal.print(
        tsv([...nameFields, ...slotFields({ zone: "UTC", now })], rows).join("\n")
      )
    }
    const zone = given.has("tz") || given.has("utc") ? yield* zoneFlag(given) : undefined
    const blocks = list.map((one) => block(one, zone, given.has("all"), terminal).join("\n"))
    yield* terminal.print([...blocks, ...(more > 0 ? [others] : [])].join("\n\n"))
  })

const ANSWERS: Readonly<
  Record<Explanation["answer"], readonly [string, NonNullable<Cell["paint"]>]>
> = {
  yes: ["✓", "green"],
  unknown: ["?", "red"],
  not_yet: ["…", "bold"],
  partly: ["▲", "yellow"],
  no: ["✗", "red"],
  nothing_due: ["○", "dim"]
}

const block = (
  { explanation, one }: Explained,
  shownZone: string | undefined,
  all: boolean,
  terminal: Terminal
): ReadonlyArray<string> => {
  const { style } = terminal
  const { actions, from, integration, next, notes, now, slots, to } = explanation
  const zone = integration?.timezone ?? "UTC"
  const clock: ListClock = { zone: shownZone ?? zone, now }
  const [symbol, paint] = ANSWERS[explanation.answer]
  const schedule = integration?.schedule ?? null
  const rows = rowsOf(slots)
  const shown = all ? rows : relevantRows(rows)
  const more = rows.length - shown.length
  const [begin, end] = [from, to].map((at) => describeInstant(at, clock.zone).replace(/ \S+$/, ""))
  return [
    `${style.bold(safe(displayName(one)))}  ${style.dim(safe(schedule === null ? "no schedule" : `"${schedule}" ${zone}`))}`,
    ...lead(symbol, paint, safe(explanation.sentence), terminal),
    ...notes.flatMap((note) => prose(`! ${safe(note)}`, terminal)),
    `  Next: ${safe(next)}`,
    ...actions.map(({ command, what }) => `→ ${what}: ${safe(command)}`),
    ...(shown.length === 0 ? [] : ["", style.dim(`Due from ${begin} to ${end} (${clock.zone}):`)]),
    ...listing(slotFields(clock), shown, terminal),
    ...(more > 0 ? [`... and ${more} more lines; --all shows them.`] : []),
    ...(explanation.truncated ? ["Not all runs were read; choose a shorter period."] : [])
  ]
}

/** One row of the output. Consecutive slots without a run share a row if they have the same outcome and reason. */
interface Row {
  readonly first: ExplainedSlot
  readonly last: ExplainedSlot
  readonly count: number
}

const rowsOf = (slots: ReadonlyArray<ExplainedSlot>): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  for (const slot of slots) {
    const before = rows.at(-1)
    const isAlike =
      before !== undefined &&
      slot.run === null &&
      before.last.run === null &&
      before.last.outcome === slot.outcome &&
      before.last.why === slot.why
    if (isAlike) rows[rows.length - 1] = { ...before, last: slot, count: before.count + 1 }
    else rows.push({ first: slot, last: slot, count: 1 })
  }
  return rows
}

/** Returns the most relevant rows, in order. Slots with a problem or a remark take precedence, and then newer slots. */
const relevantRows = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const odd = rows.filter(({ first }) => first.outcome !== "completed" || first.why !== "")
  const plain = rows.filter((row) => !odd.includes(row))
  const chosen = new Set([...plain, ...odd].slice(-SHOWN))
  return rows.filter((row) => chosen.has(row))
}

const LOOKS: Readonly<Record<SlotOutcome, readonly [string, NonNullable<Cell["paint"]>]>> = {
  completed: ["✓ completed", PAINT.ok],
  failed: ["✗ failed", PAINT.critical],
  unknown: ["? unknown", PAINT.critical],
  running: ["… running", PAINT.active],
  pending: ["↻ waiting", PAINT.active],
  skipped: ["- skipped", PAINT.idle],
  skipped_range: ["- skipped", PAINT.warning],
  paused: ["‖ paused", PAINT.idle],
  due: ["✗ not started", PAINT.critical],
  missing: ["! missing", PAINT.critical]
}

const nameFields: ReadonlyArray<Field<Named>> = [
  { title: "ORG", show: null, plain: ({ org_name }) => org_name },
  { title: "ORG ID", show: null, plain: ({ org_id }) => org_id },
  { title: "INTEGRATION", show: null, plain: ({ integration_type }) => integration_type },
  { title: "INTEGRATION ID", show: null, plain: ({ integration_id }) => integration_id }
]

const slotFields = (clock: ListClock): ReadonlyArray<Field<Row>> => [
  {
    title: "DUE",
    show: ({ count, first, last }) => ({
      text:
        count === 1
          ? shortTime(first.slot, clock)
          : `${shortTime(first.slot, clock)} to ${shortTime(last.slot, clock)} (${count})`
    }),
    plain: ({ first }) => plainInstant(first.slot)
  },
  { title: "TO", show: null, plain: ({ last }) => plainInstant(last.slot) },
  {
    title: "RESULT",
    show: ({ first: { outcome } }) => ({ text: LOOKS[outcome][0], paint: LOOKS[outcome][1] }),
    plain: ({ first }) => first.outcome
  },
  {
    title: "STARTED",
    show: null,
    plain: ({ first }) => plainInstant(first.run?.started_at ?? null)
  },
  {
    title: "LATE BY",
    name: "late_ms",
    align: "right",
    show: ({ first }) => ({
      text: first.run?.drift_ms == null ? "-" : Duration.format(first.run.drift_ms)
    }),
    plain: ({ first }) => first.run?.drift_ms ?? null
  },
  {
    title: "TOOK",
    name: "took_ms",
    align: "right",
    show: ({ first }) => ({
      text: first.run?.duration_ms == null ? "-" : Duration.format(first.run.duration_ms)
    }),
    plain: ({ first }) => first.run?.duration_ms ?? null
  },
  {
    title: "ATTEMPT",
    show: ({ first: { run } }) => ({ text: run === null ? "-" : attemptOf(run) }),
    plain: ({ first }) => first.run?.attempt ?? null
  },
  {
    title: "RUN",
    show: ({ first: { run } }) => ({ text: run?.run_id.slice(0, 8) ?? "-", paint: "dim" }),
    plain: ({ first }) => first.run?.run_id ?? null
  },
  { title: "WHY", show: ({ first }) => ({ text: first.why }), plain: ({ first }) => first.why }
]
