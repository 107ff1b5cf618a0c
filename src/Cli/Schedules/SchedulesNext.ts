import { Clock, Effect, Option, Schema } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import { format, Instant } from "../../Domain/Instant.ts"
import * as Schedule from "../../Domain/Schedule/Schedule.ts"
import type { Main } from "../Command.ts"
import { scheduleError } from "../Failure.ts"
import { type Field, listing, tsv } from "../Listing.ts"
import { instantFlag, integerFlag } from "../Values.ts"

/** `schedules next`: shows the next slots of an expression. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const timezone = given.value("tz") ?? "UTC"
    const count = (yield* integerFlag(given, "count", 1, 1000)) ?? 10
    const now = yield* Clock.currentTimeMillis
    const from = (yield* instantFlag(given, "from")) ?? now
    const schedule = yield* Effect.mapError(
      Schedule.parse(given.positionals[0] ?? "", timezone),
      scheduleError
    )
    const slots = nextSlots(schedule, from, count)
    if (terminal.format === "json") {
      yield* terminal.printJson(slots.map(format))
    } else if (terminal.format === "jsonl") {
      for (const slot of slots) yield* terminal.printJson(format(slot))
    } else if (terminal.format === "tsv") {
      yield* terminal.print(tsv(fieldsOf(timezone, now), slots).join("\n"))
    } else if (slots.length === 0) {
      yield* terminal.print(`No time matches after ${format(from)}.`)
    } else {
      const lines = listing(fieldsOf(timezone, now), slots, { style: terminal.style, width: null })
      yield* terminal.print(lines.join("\n"))
    }
    return 0 as const
  })

const fieldsOf = (timezone: string, now: number): ReadonlyArray<Field<number>> => [
  {
    title: "LOCAL",
    show: (slot) => ({ text: Schedule.describeInstant(slot, timezone) }),
    plain: (slot) => Schedule.describeInstant(slot, timezone)
  },
  { title: "UTC", show: (slot) => ({ text: format(slot), paint: "dim" }), plain: format },
  {
    title: "FROM NOW",
    align: "right",
    show: (slot) => ({ text: slot < now ? "past" : `in ${Duration.format(slot - now)}` }),
    plain: null
  }
]

export const json = Schema.Array(Instant)

/** Returns the first `count` slots after an instant, or fewer if the schedule ends. */
export const nextSlots = (
  schedule: Schedule.Schedule,
  after: number,
  count: number
): ReadonlyArray<number> => {
  const slots: Array<number> = []
  let slot = Schedule.next(schedule, after)
  while (Option.isSome(slot) && slots.length < count) {
    slots.push(slot.value)
    slot = Schedule.next(schedule, slot.value)
  }
  return slots
}
