import { Effect, Layer, Option, Schema } from "effect"
import { cancelBackfill, requestBackfill } from "../../Database/HistoryRpc.ts"
import { retryFor } from "../../Database/RetryPolicy.ts"
import { slotsWithoutRow } from "../../Domain/BackfillPlan.ts"
import { format, Instant } from "../../Domain/Instant.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { readRecord } from "../../Engine/AuditPages.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { actorOf } from "../Actions/Actor.ts"
import { windowOf } from "../Audit/Audit.ts"
import type { Cli, Main } from "../Command.ts"
import { connect, databaseError } from "../Database.ts"
import { usageError } from "../Failure.ts"
import { type Field, listing, plainInstant, tsv } from "../Listing.ts"
import { showInstant } from "../Report.ts"
import { target } from "../Target.ts"
import { isJson } from "../Terminal.ts"
import { isUuid } from "../Values.ts"

/** The maximum number of slots in text output. */
const SHOWN = 20
/** The maximum number of slots in JSON output. The field `count` also counts the omitted slots. */
const SHOWN_JSON = 1000
const ASK_WITHIN_MS = 10_000

const PlanJson = {
  integration_id: Schema.String,
  from: Instant,
  to: Instant,
  count: Schema.Int,
  slots: Schema.Array(Instant),
  slots_truncated: Schema.Boolean
} as const

/** The slots that would run, the requested slots (`--yes`), or the cancelled request (`--cancel`). */
export const json = Schema.Union(
  Schema.Struct({ dry_run: Schema.Literal(true), ...PlanJson }),
  Schema.Struct({
    dry_run: Schema.Literal(false),
    backfill_id: Schema.String,
    enabled: Schema.Boolean,
    cancel: Schema.String,
    ...PlanJson
  }),
  Schema.Struct({
    cancelled: Schema.Literal(true),
    done: Schema.Literal(true),
    backfill_id: Schema.String,
    claimed: Schema.Int
  })
)

/** `backfill`: lists the past slots that have no run. `--yes` requests their runs, and `--cancel` cancels a request. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const { arguments: given } = cli
    const cancelled = given.value("cancel")
    if (cancelled !== undefined) return yield* cancel(cli, cancelled)
    const [first, second] = given.positionals
    if (first === undefined) {
      return yield* Effect.fail(
        usageError(
          "backfill needs <org>",
          "Name an organisation and an integration, or give --cancel <backfill>."
        )
      )
    }
    if (!given.has("from")) {
      return yield* Effect.fail(
        usageError("--from is missing", "Give the start: --from 2026-11-01 or --from 7d.")
      )
    }
    const { from, to } = yield* windowOf(cli)
    const database = yield* connect(cli)
    const id = yield* integrationId(first, second).pipe(
      Effect.provide(Layer.mapError(database, databaseError))
    )
    const plan = yield* planOf(id, from, to).pipe(
      Effect.provide(database),
      Effect.mapError(databaseError)
    )
    if (from < plan.kept_from) {
      return yield* Effect.fail(
        usageError(
          `--from is before ${showInstant(plan.kept_from)}: older runs may have been deleted and would run again`,
          `Use a later --from, such as ${format(plan.kept_from + 3_600_000)}`
        )
      )
    }
    if (!plan.found) {
      return yield* Effect.fail(
        usageError(
          `integration ${id} did not exist in that period`,
          "Check the id and the dates: sync-scheduler audit --integration <id> --from <date>"
        )
      )
    }
    if (!given.has("yes") || plan.count === 0) return yield* show(plan, given.has("yes"), cli)
    return yield* request(cli, plan).pipe(Effect.provide(Layer.mapError(database, databaseError)))
  })

/** A complete id is not looked up, because it may belong to a deleted integration. */
const integrationId = (first: string, second: string | undefined) =>
  second === undefined && isUuid(first)
    ? Effect.succeed(first.toLowerCase())
    : Effect.map(target(first, second), ({ integration_id }) => integration_id)

interface PlannedSlot {
  readonly at: number
  readonly timezone: string
  readonly why: string
}

interface Plan {
  readonly integration_id: string
  readonly found: boolean
  readonly kept_from: number
  readonly from: number
  readonly to: number
  readonly count: number
  readonly slots: ReadonlyArray<PlannedSlot>
}

/** Returns the slots that a request would run: slots without a row, up to the schedule's next slot. */
const planOf = (integration_id: string, from: number, to: number | undefined) =>
  Effect.gen(function* () {
    const slots: Array<PlannedSlot> = []
    let count = 0
    let found = false
    const frame = yield* readRecord(
      { from, to, scope: { integrationIds: [integration_id] } },
      (part) => {
        found ||= !part.deleted
        const open = part.next_run_at ?? (part.schedule_since ?? part.to) + 1
        const upTo = Math.min(part.to, open) - 1
        for (const at of slotsWithoutRow(part.history, part.slots, part.from - 1, upTo)) {
          count += 1
          if (slots.length >= SHOWN_JSON) continue
          const segment = part.history.find((one) => one.to === null || at <= one.to)
          const isSkipped = part.ranges.some(([first, last]) => first <= at && at <= last)
          slots.push({
            at,
            timezone: segment?.timezone ?? "UTC",
            why:
              segment?.enabled === false
                ? "it was paused"
                : isSkipped
                  ? "recorded as skipped"
                  : "no run and no record"
          })
        }
      }
    )
    const { kept_from } = frame
    return { integration_id, found, kept_from, from: frame.from, to: frame.to, count, slots }
  })

const jsonOf = ({ count, from, integration_id, slots, to }: Plan) => ({
  integration_id,
  from: format(from),
  to: format(to),
  count,
  slots: slots.map(({ at }) => format(at)),
  slots_truncated: count > slots.length
})

const SLOTS: ReadonlyArray<Field<PlannedSlot>> = [
  {
    title: "DUE",
    show: ({ at, timezone }) => ({ text: describeInstant(at, timezone) }),
    plain: null
  },
  {
    title: "UTC",
    name: "due",
    show: ({ at }) => ({ text: format(at), paint: "dim" }),
    plain: ({ at }) => plainInstant(at)
  },
  { title: "WHY", show: ({ why }) => ({ text: why }), plain: ({ why }) => why }
]

const show = (plan: Plan, isWanted: boolean, { arguments: given, terminal }: Cli) =>
  Effect.gen(function* () {
    const { count, slots } = plan
    if (terminal.format === "tsv") {
      yield* terminal.print(tsv(SLOTS, slots).join("\n"))
      return 0 as const
    }
    if (isJson(terminal)) {
      yield* terminal.printJson({ dry_run: !isWanted, ...jsonOf(plan) })
      return 0 as const
    }
    if (count === 0) {
      yield* terminal.print(
        `Nothing to run: every slot from ${showInstant(plan.from)} to ${showInstant(plan.to)} has a run.`
      )
      return 0 as const
    }
    yield* terminal.print(
      [
        ...listing(SLOTS, slots.slice(0, SHOWN), terminal),
        ...(count > SHOWN ? [`... and ${count - SHOWN} more`] : []),
        "",
        `Would run ${count === 1 ? "1 slot" : `${count} slots`}, oldest first, one at a time. Nothing was changed.`,
        `→ run them: ${given.lineWithout("reason", "as")} --yes`
      ].join("\n")
    )
    return 0 as const
  })

const request = (cli: Cli, plan: Plan) =>
  Effect.gen(function* () {
    const { terminal } = cli
    const supabase = yield* Supabase
    const answer = yield* supabase
      .call(requestBackfill, {
        p_integration_id: plan.integration_id,
        p_from: plan.from,
        p_to: plan.to,
        p_actor: actorOf(cli),
        p_reason: cli.arguments.value("reason") ?? "backfill"
      })
      .pipe(retryFor(ASK_WITHIN_MS), Effect.mapError(databaseError))
    if (!answer.done) {
      return yield* Effect.fail(
        usageError(`the request was refused: ${answer.reason}`, "Check the integration and --from.")
      )
    }
    const cancel = `sync-scheduler backfill --cancel ${answer.backfill_id}`
    if (isJson(terminal)) {
      const { backfill_id, enabled } = answer
      yield* terminal.printJson({ dry_run: false, backfill_id, enabled, cancel, ...jsonOf(plan) })
      return 0 as const
    }
    const first = Option.fromNullable(plan.slots[0])
    yield* terminal.print(
      [
        `${terminal.style.green("✓")} Requested: the next ticks run ${plan.count === 1 ? "1 slot" : `${plan.count} slots`}, oldest first${Option.match(
          first,
          { onNone: () => "", onSome: ({ at }) => ` (${showInstant(at)})` }
        )}, one at a time.`,
        ...(answer.enabled
          ? []
          : [
              `${terminal.style.yellow("!")} The integration is paused: the slots run when you resume it.`
            ]),
        `→ cancel: ${cancel}`
      ].join("\n")
    )
    return 0 as const
  })

const cancel = (cli: Cli, text: string) =>
  Effect.gen(function* () {
    const { terminal } = cli
    if (!isUuid(text)) {
      return yield* Effect.fail(
        usageError(
          `--cancel is "${text}": it must be a UUID`,
          "Give the id that backfill --yes printed."
        )
      )
    }
    const database = yield* connect(cli)
    const answer = yield* Effect.flatMap(Supabase, (supabase) =>
      supabase
        .call(cancelBackfill, {
          p_backfill_id: text.toLowerCase(),
          p_actor: actorOf(cli),
          p_reason: cli.arguments.value("reason") ?? "cancelled"
        })
        .pipe(retryFor(ASK_WITHIN_MS))
    ).pipe(Effect.provide(database), Effect.mapError(databaseError))
    if (!answer.done) {
      return yield* Effect.fail(
        usageError(
          `backfill ${text} was not cancelled: it is ${REFUSALS.get(answer.reason) ?? answer.reason}`,
          answer.reason === "not_found"
            ? "Give the id that backfill --yes printed."
            : "Nothing remains to cancel. Runs that the backfill started are not changed."
        )
      )
    }
    if (isJson(terminal)) {
      yield* terminal.printJson({ cancelled: true, ...answer })
      return 0 as const
    }
    yield* terminal.print(
      `${terminal.style.green("✓")} Cancelled after ${answer.claimed === 1 ? "1 slot" : `${answer.claimed} slots`}. A run in progress will finish.`
    )
    return 0 as const
  })

const REFUSALS: ReadonlyMap<string, string> = new Map([
  ["not_found", "unknown"],
  ["already_done", "already done"],
  ["already_cancelled", "already cancelled"]
])
