import { Clock, Effect, Layer, Schema } from "effect"
import { Instant } from "../../Domain/Instant.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { type AuditReport, auditRecord } from "../../Engine/AuditPages.ts"
import type { Cli, Main } from "../Command.ts"
import { connect, databaseError } from "../Database.ts"
import { type CommandError, usageError } from "../Failure.ts"
import { type Field, listing, plainInstant, tsv } from "../Listing.ts"
import { showInstant } from "../Report.ts"
import { safe } from "../Style.ts"
import { auditScope } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { momentFlag } from "../TimeArgument.ts"

const DAY_MS = 86_400_000

/** `audit`: checks that every slot in a time window has a run or is recorded as skipped. Exits with 3 if any slot has neither. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const { arguments: given, terminal } = cli
    const { from, to } = yield* windowOf(cli)
    const database = yield* connect(cli)
    const scope = yield* auditScope(given).pipe(
      Effect.provide(Layer.mapError(database, databaseError))
    )
    const report = yield* auditRecord({
      from,
      to,
      scope,
      observe: (count) => terminal.progress(`${count} integrations so far ...`)
    }).pipe(Effect.provide(database), Effect.mapError(databaseError))
    terminal.progress(null)
    yield* print(report, terminal)
    if (report.from > from) {
      terminal.note(
        `note: the audit begins at ${showInstant(report.kept_from)}, because older runs may have been deleted`
      )
    }
    return report.missing === 0 ? 0 : 3
  })

/** Parses `--from` and `--to`; the default is the last 24 hours. */
export const windowOf = ({
  arguments: given
}: Pick<Cli, "arguments">): Effect.Effect<
  { readonly from: number; readonly to: number | undefined },
  CommandError
> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const to = yield* momentFlag(given, "to", now)
    const from = (yield* momentFlag(given, "from", now)) ?? (to ?? now) - DAY_MS
    if (from < Math.min(to ?? now, now)) return { from, to }
    return yield* Effect.fail(
      usageError(
        `--from is ${showInstant(from)}, which is not before ${from < now && to !== undefined ? `--to, ${showInstant(to)}` : "now"}`,
        "The audit checks past slots. --from is inclusive, and --to is exclusive."
      )
    )
  })

/** `holes` contains the slots that have no run and are not recorded as skipped. */
export const json = Schema.Struct({
  now: Instant,
  from: Instant,
  to: Instant,
  integrations: Schema.Int,
  slots: Schema.Int,
  recorded: Schema.Int,
  skipped_slots: Schema.Int,
  open: Schema.Int,
  missing: Schema.Int,
  holes: Schema.Array(
    Schema.Struct({
      integration_id: Schema.String,
      org_id: Schema.NullOr(Schema.String),
      integration_type: Schema.NullOr(Schema.String),
      from: Instant,
      to: Instant,
      count: Schema.Int,
      schedule: Schema.String,
      timezone: Schema.String
    })
  ),
  holes_truncated: Schema.Boolean,
  unreadable: Schema.Array(
    Schema.Struct({
      integration_id: Schema.String,
      org_id: Schema.NullOr(Schema.String),
      from: Instant,
      to: Instant,
      schedule: Schema.String,
      timezone: Schema.String,
      why: Schema.String
    })
  )
})
const encode = Schema.encodeSync(json)

const print = (report: AuditReport, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const encoded = encode(report)
    if (terminal.format === "json") return yield* terminal.printJson(encoded)
    if (terminal.format === "jsonl") {
      const { holes, unreadable, ...totals } = encoded
      for (const hole of holes) yield* terminal.printJson({ type: "hole", ...hole })
      for (const one of unreadable) yield* terminal.printJson({ type: "unreadable", ...one })
      return yield* terminal.printJson({ type: "audit", ...totals })
    }
    const shown = terminal.format === "tsv" ? tsv(HOLES, report.holes) : lines(report, terminal)
    yield* terminal.print(shown.join("\n"))
  })

type Hole = AuditReport["holes"][number]

const HOLES: ReadonlyArray<Field<Hole>> = [
  {
    title: "ORG",
    name: "org_id",
    show: ({ org_id }) => ({ text: org_id ?? "-" }),
    plain: ({ org_id }) => org_id
  },
  {
    title: "INTEGRATION",
    show: (one) => ({ text: `${one.integration_type ?? "?"} ${one.integration_id}` }),
    plain: ({ integration_type }) => integration_type
  },
  { title: "INTEGRATION ID", show: null, plain: ({ integration_id }) => integration_id },
  {
    title: "MISSING",
    name: "from",
    show: ({ count, from, timezone, to }) => ({
      text:
        count === 1
          ? describeInstant(from, timezone)
          : `${describeInstant(from, timezone)} to ${describeInstant(to, timezone)}`
    }),
    plain: ({ from }) => plainInstant(from)
  },
  { title: "TO", show: null, plain: ({ to }) => plainInstant(to) },
  {
    title: "SLOTS",
    align: "right",
    show: ({ count }) => ({ text: String(count) }),
    plain: ({ count }) => count
  },
  {
    title: "SCHEDULE",
    show: ({ schedule }) => ({ text: schedule, paint: "dim" }),
    plain: ({ schedule }) => schedule
  }
]

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`

const lines = (report: AuditReport, terminal: Terminal): ReadonlyArray<string> => {
  const { style } = terminal
  const { holes, integrations, missing, open, skipped_slots, recorded, slots, unreadable } = report
  const span = `from ${showInstant(report.from)} to ${showInstant(report.to)}`
  const rows = listing(HOLES, holes, terminal)
  const verdict =
    missing > 0
      ? `${style.red("✗")} ${missing.toLocaleString("en-US")} of ${counted(slots, "slot")} ${missing === 1 ? "has" : "have"} no run and no record, ${span}.`
      : slots === 0
        ? `${style.green("✓")} No holes: no slot was due, ${span} (${counted(integrations, "integration")}).`
        : `${style.green("✓")} No holes: each of ${counted(slots, "slot")} of ${counted(integrations, "integration")} has one run or is recorded as skipped${open === 0 ? "" : ", or waits for the next tick"}, ${span}.`
  return [
    ...(rows.length === 0 ? [] : [...rows, ""]),
    ...(report.holes_truncated ? ["Not all holes are listed here.", ""] : []),
    verdict,
    `  ${counted(recorded, "run")}, ${counted(skipped_slots, "slot")} recorded as skipped${
      open === 0 ? "" : `, ${counted(open, "slot")} due and not triggered yet`
    }.`,
    ...(missing === 0 ? [] : ["→ run them: sync-scheduler backfill <integration> --from <when>"]),
    ...unreadable.map(
      ({ from, integration_id, schedule, timezone, to, why }) =>
        `${style.yellow("!")} The schedule of integration ${integration_id} could not be computed for the period ${showInstant(from)} to ${showInstant(to)}: ${safe(`"${schedule}" (${timezone}): ${why}`)}`
    )
  ]
}
