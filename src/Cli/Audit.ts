import { Clock, Effect, Layer, Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { describeInstant } from "../Domain/Schedule.ts"
import { type AuditReport, auditRecord } from "../Engine/Auditing.ts"
import type { Cli, Main } from "./Command.ts"
import { connect, databaseError } from "./Database.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { momentFlag } from "./Moment.ts"
import { showInstant } from "./Report.ts"
import { safe } from "./Style.ts"
import { table } from "./Table.ts"
import { auditScope } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

const DAY_MS = 86_400_000

/** `audit`: whether every slot of a window has its run or is on record as passed over. Exit 3 when one has neither. */
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
        `note: runs of slots before ${showInstant(report.kept_from)} may have been deleted; the audit begins there`
      )
    }
    return report.missing === 0 ? 0 : 3
  })

/** `--from` and `--to`; the last 24 hours by default. */
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
        "Slots from --from on, before --to, are looked at, and only those of the past."
      )
    )
  })

/** What was found; `holes` are slots without a run and without a record. */
export const json = Schema.Struct({
  now: Instant,
  from: Instant,
  to: Instant,
  integrations: Schema.Int,
  slots: Schema.Int,
  recorded: Schema.Int,
  passed_over: Schema.Int,
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
    yield* terminal.print(lines(report, terminal).join("\n"))
  })

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`

const lines = (report: AuditReport, { style, width }: Terminal): ReadonlyArray<string> => {
  const { holes, integrations, missing, open, passed_over, recorded, slots, unreadable } = report
  const span = `from ${showInstant(report.from)} to ${showInstant(report.to)}`
  const rows = holes.map((hole) => [
    { text: hole.org_id ?? "-" },
    { text: `${hole.integration_type ?? "?"} ${hole.integration_id}` },
    {
      text:
        hole.count === 1
          ? describeInstant(hole.from, hole.timezone)
          : `${describeInstant(hole.from, hole.timezone)} to ${describeInstant(hole.to, hole.timezone)}`
    },
    { text: String(hole.count) },
    { text: hole.schedule, paint: "dim" as const }
  ])
  const columns = [
    { title: "ORG" },
    { title: "INTEGRATION" },
    { title: "MISSING" },
    { title: "SLOTS", align: "right" },
    { title: "SCHEDULE" }
  ] as const
  const verdict =
    missing > 0
      ? `${style.red("✗")} ${missing.toLocaleString("en-US")} of ${counted(slots, "slot")} ${missing === 1 ? "has" : "have"} no run and no record, ${span}.`
      : slots === 0
        ? `${style.green("✓")} No holes: no slot was due, ${span} (${counted(integrations, "integration")}).`
        : `${style.green("✓")} No holes: each of ${counted(slots, "slot")} of ${counted(integrations, "integration")} has one run or is on record as passed over${open === 0 ? "" : ", or waits for the next tick"}, ${span}.`
  return [
    ...(rows.length === 0 ? [] : [...table(columns, rows, style, width), ""]),
    ...(report.holes_truncated ? ["There are more holes than are listed here.", ""] : []),
    verdict,
    `  ${counted(recorded, "run")}, ${counted(passed_over, "slot")} passed over on record${
      open === 0 ? "" : `, ${counted(open, "slot")} due and not triggered yet`
    }.`,
    ...(missing === 0
      ? []
      : [
          "  To run them: sync-scheduler backfill <integration> --from <when>, unless it was deleted."
        ]),
    ...unreadable.map(
      ({ from, integration_id, schedule, timezone, to, why }) =>
        `${style.yellow("!")} Integration ${integration_id} had a schedule that cannot be computed, from ${showInstant(from)} to ${showInstant(to)}: ${safe(`"${schedule}" (${timezone}): ${why}`)}`
    )
  ]
}
