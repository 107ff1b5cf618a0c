import { Effect, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import { Instant } from "../Domain/Instant.ts"
import { type Explanation, explain, Explanation as Shape } from "../Operator/Explanation.ts"
import { labelOf, type Named } from "../Operator/Naming.ts"
import type { ExplainedSlot, SlotOutcome } from "../Operator/SlotStory.ts"
import type { Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { type Field, lead, listing, PAINT, plainInstant, prose, shortTime } from "./Listing.ts"
import { windowOn } from "./Moment.ts"
import { safe } from "./Style.ts"
import type { Cell } from "./Table.ts"
import { databaseNow, targets } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

/** Slots that people are shown unless they want all of them. */
const SHOWN = 12

/** An explanation for each integration. */
export const json = Schema.Struct({ now: Instant, explanations: Schema.Array(Shape) })

/** `explain`: whether an organisation's syncs ran, and why (not). Exit 0 whatever the answer: it is one. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const found = yield* targets(given.positionals[0] ?? "", given.positionals[1])
      const now = yield* databaseNow
      const explanations = yield* Effect.forEach(
        found,
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
      yield* print(now, explanations, given.has("all"), terminal)
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
  all: boolean,
  terminal: Terminal
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const explanations = list.map(({ explanation }) => explanation)
    if (terminal.format === "json") return yield* terminal.printJson(encode({ now, explanations }))
    if (terminal.format === "jsonl") {
      return yield* Effect.forEach(
        explanations,
        (one) => terminal.printJson({ type: "explanation", ...encodeOne(one) }),
        { discard: true }
      )
    }
    const blocks = list.map((one) => block(one, all, terminal).join("\n"))
    yield* terminal.print(blocks.join("\n\n"))
  })

const ANSWERS: Readonly<
  Record<Explanation["answer"], readonly [string, NonNullable<Cell["paint"]>]>
> = {
  yes: ["✓", "green"],
  not_yet: ["…", "bold"],
  partly: ["▲", "yellow"],
  no: ["✗", "red"],
  nothing_due: ["○", "dim"]
}

const block = (
  { explanation, one }: Explained,
  all: boolean,
  terminal: Terminal
): ReadonlyArray<string> => {
  const { style } = terminal
  const { from, integration, now, notes, slots, to } = explanation
  const zone = integration?.timezone ?? "UTC"
  const [symbol, paint] = ANSWERS[explanation.answer]
  const schedule = integration?.schedule ?? null
  const rows = rowsOf(slots)
  const shown = all || terminal.width === null ? rows : telling(rows)
  const span = `${shortTime(from, zone, now)} to ${shortTime(to, zone, now)}`
  return [
    `${style.bold(safe(labelOf(one)))}  ${style.dim(safe(schedule === null ? "no schedule" : `"${schedule}" ${zone}`))}`,
    ...lead(symbol, paint, safe(explanation.sentence), terminal),
    ...(shown.length === 0
      ? []
      : terminal.width === null
        ? []
        : [style.dim(`  Slots from ${span}:`)]),
    ...listing(fieldsOf(zone, now), shown, terminal),
    ...(rows.length > shown.length
      ? [`... and ${rows.length - shown.length} more lines; --all shows them.`]
      : []),
    ...(explanation.truncated
      ? ["There are more slots than are looked at; ask for a shorter time."]
      : []),
    ...notes.flatMap((note) => prose(`! ${safe(note)}`, terminal)),
    `Next: ${explanation.next}`
  ]
}

/** Slots that follow one another and have the same fate, without a run, are one row. */
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

/** The lines that tell most: those of slots that did not simply run, then the newest; in order. */
const telling = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const odd = rows.filter(({ first }) => first.outcome !== "completed" || first.why !== "")
  const plain = rows.filter((row) => !odd.includes(row))
  const chosen = new Set([...plain, ...odd].slice(-SHOWN))
  return rows.filter((row) => chosen.has(row))
}

const LOOKS: Readonly<Record<SlotOutcome, readonly [string, NonNullable<Cell["paint"]>]>> = {
  completed: ["✓ completed", PAINT.good],
  failed: ["✗ failed", PAINT.bad],
  unknown: ["? unknown", PAINT.bad],
  running: ["… running", PAINT.busy],
  pending: ["↻ waiting", PAINT.busy],
  skipped: ["- skipped", PAINT.off],
  passed_over: ["- passed over", PAINT.warn],
  paused: ["‖ paused", PAINT.off],
  due: ["✗ not started", PAINT.bad],
  missing: ["! missing", PAINT.bad]
}

const fieldsOf = (zone: string, now: number): ReadonlyArray<Field<Row>> => [
  {
    title: "SLOT",
    show: ({ count, first, last }) => ({
      text:
        count === 1
          ? shortTime(first.slot, zone, now)
          : `${shortTime(first.slot, zone, now)} to ${shortTime(last.slot, zone, now)} (${count})`
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
    align: "right",
    show: ({ first }) => ({
      text: first.run?.drift_ms == null ? "-" : Duration.format(first.run.drift_ms)
    }),
    plain: ({ first }) => first.run?.drift_ms ?? null
  },
  {
    title: "TOOK",
    align: "right",
    show: ({ first }) => ({
      text: first.run?.duration_ms == null ? "-" : Duration.format(first.run.duration_ms)
    }),
    plain: ({ first }) => first.run?.duration_ms ?? null
  },
  {
    title: "TRY",
    show: ({ first: { run } }) => ({
      text: run === null ? "-" : `${run.attempt}/${run.max_attempts}`
    }),
    plain: ({ first }) => first.run?.attempt ?? null
  },
  { title: "RUN", show: null, plain: ({ first }) => first.run?.run_id ?? null },
  { title: "WHY", show: ({ first }) => ({ text: first.why }), plain: ({ first }) => first.why }
]
