import { Clock, Effect, Either, Schema } from "effect"
import { format, Instant } from "../../Domain/Instant.ts"
import * as Schedule from "../../Domain/Schedule/Schedule.ts"
import { TickError } from "../../Domain/Summary.ts"
import type { Main } from "../Command.ts"
import { scheduleError } from "../Failure.ts"
import { nextSlots } from "./SchedulesNext.ts"

export const json = Schema.Union(
  Schema.Struct({
    valid: Schema.Literal(true),
    expression: Schema.String,
    timezone: Schema.String,
    next: Schema.Array(Instant),
    clock_changes: Schema.Array(
      Schema.Struct({ at: Instant, kind: Schema.Literal("gap", "overlap"), effect: Schema.String })
    )
  }),
  Schema.Struct({
    valid: Schema.Literal(false),
    expression: Schema.String,
    timezone: Schema.String,
    error: Schema.Struct({ ...TickError.fields, reason: Schema.String })
  })
)

const TWO_YEARS = 2 * 366 * 86_400_000

/** `schedules validate`: shows whether an expression is valid, its next slots, and the effect of clock changes. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const { format: shape, print, printJson, style } = terminal
    const expression = given.positionals[0] ?? ""
    const timezone = given.value("tz") ?? "UTC"
    const parsed = Schedule.parse(expression, timezone)
    if (Either.isLeft(parsed)) {
      if (shape === "text") return yield* Effect.fail(scheduleError(parsed.left))
      const { detail, hint, reason } = parsed.left
      const error = { code: "SCHEDULE_INVALID", reason, message: detail, hint }
      yield* printJson({ valid: false, expression, timezone, error })
      return 2 as const
    }
    const schedule = parsed.right
    const now = yield* Clock.currentTimeMillis
    const next = nextSlots(schedule, now, 3)
    const changes = Schedule.clockChanges(schedule, now, now + TWO_YEARS)
    if (shape !== "text") {
      yield* printJson({
        valid: true,
        expression,
        timezone,
        next: next.map(format),
        clock_changes: changes.map(({ at, ...rest }) => ({ at: format(at), ...rest }))
      })
      return 0 as const
    }
    yield* print(`${style.green("✓ valid")}  ${expression}  (${timezone})`)
    const times = next.map((slot) => Schedule.describeInstant(slot, timezone))
    yield* print(`Next:\n${times.map((time) => `  ${time}`).join("\n")}`)
    yield* print(
      changes.length === 0
        ? "No clock change affects this schedule in the next two years."
        : `Clock changes that affect this schedule in the next two years:\n${changes
            .map(({ effect }) => `  ${effect}`)
            .join("\n")}`
    )
    return 0 as const
  })
