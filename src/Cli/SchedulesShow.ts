import { Effect, Either, Schema } from "effect"
import * as Schedule from "../Domain/Schedule.ts"
import { APPEARANCE } from "../Domain/State.ts"
import { labelOf } from "../Operator/Naming.ts"
import {
  type IntegrationState,
  readOverview,
  IntegrationState as Shape
} from "../Operator/Overview.ts"
import { RUN_APPEARANCE } from "../Operator/Runs.ts"
import type { Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { usageError } from "./Failure.ts"
import { lead, PAINT, prose } from "./Listing.ts"
import { whyOf } from "./RunsList.ts"
import { safe } from "./Style.ts"
import { target } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

const UPCOMING = 3

/** `schedules show`: one integration, all that is set for it, and how it stands. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const { integration_id } = yield* target(given.positionals[0] ?? "", given.positionals[1])
      const overview = yield* Effect.mapError(
        readOverview({ driftAlertMs: settings.driftAlert, integrationIds: [integration_id] }),
        databaseError
      )
      const [one] = overview.integrations
      if (one === undefined) {
        const [why] = overview.unreadable
        return yield* Effect.fail(
          usageError(
            `integration ${integration_id} cannot be read: ${why?.why ?? "it is gone"}`,
            "Look at its row."
          )
        )
      }
      if (terminal.format === "text")
        yield* terminal.print(lines(one, overview.now, terminal).join("\n"))
      else yield* terminal.printJson(encode(one))
      return 0 as const
    })
  )

/** The integration. */
export const json = Shape
const encode = Schema.encodeSync(json)

const lines = (one: IntegrationState, now: number, terminal: Terminal): ReadonlyArray<string> => {
  const at = (ms: number | null) => (ms === null ? "-" : Schedule.describeInstant(ms, one.timezone))
  const { last_run: last, live_run: live } = one
  const { symbol, tone, word } = APPEARANCE[one.state]
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["integration", one.integration_id],
    ["organisation", `${one.org_name ?? "no name"} (${one.org_id})`],
    [
      "schedule",
      `${one.schedule ?? "none"}  ${one.timezone}, in force since ${at(one.schedule_since)}`
    ],
    [
      "next",
      one.enabled
        ? nextOf(one, now).map(at).join(", then ")
        : `paused: ${one.paused_reason ?? "no reason given"}`
    ],
    [
      "last run",
      last === null
        ? "none"
        : `${at(last.scheduled_for)}: ${RUN_APPEARANCE[last.status].word} ${whyOf(last)}`
    ],
    ["last success", at(one.last_completed_slot)],
    ...(live === null
      ? []
      : [["live run", `${at(live.scheduled_for)}: ${live.status}, run ${live.run_id}`] as const]),
    ...(one.breaker_until === null ? [] : [["breaker", `until ${at(one.breaker_until)}`] as const]),
    [
      "policy",
      `catch_up ${one.catch_up}, on_unknown ${one.on_unknown}, ${one.fenced ? "fenced" : "not fenced"}, at most ${one.max_attempts} tries`
    ],
    ["function", one.function_name ?? "the default one"],
    ...(one.health === null
      ? []
      : [
          [
            "provider",
            `${one.health.provider} at ${one.health.host}: ${one.health.status}${one.health.message == null ? "" : `, ${one.health.message}`}`
          ] as const
        ])
  ]
  return [
    ...lead(`${symbol} ${word}`, PAINT[tone], ` ${safe(labelOf(one))}: ${safe(one.why)}`, terminal),
    "",
    ...facts.flatMap(([name, text]) =>
      prose(`  ${name.padEnd(12)} ${safe(text.trim())}`, terminal)
    ),
    "",
    `Why did it (not) run? sync-scheduler explain ${one.integration_id}`,
    one.enabled
      ? `Pause it: sync-scheduler schedules pause ${one.integration_id}`
      : `Resume it: sync-scheduler schedules resume ${one.integration_id}`
  ]
}

/** The next slots: the one that the database has, and those that the schedule gives after it. */
const nextOf = (
  { next_run_at, schedule, timezone }: IntegrationState,
  now: number
): ReadonlyArray<number> => {
  const parsed = schedule === null ? null : Schedule.parse(schedule, timezone)
  if (parsed === null || Either.isLeft(parsed)) return next_run_at === null ? [] : [next_run_at]
  const after = Math.max(next_run_at ?? now, now)
  const first = next_run_at === null ? [] : [next_run_at]
  return [
    ...first,
    ...Schedule.between(parsed.right, after, Number.MAX_SAFE_INTEGER, UPCOMING - first.length)
  ]
}
