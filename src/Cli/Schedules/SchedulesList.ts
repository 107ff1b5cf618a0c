import { Effect, Schema } from "effect"
import { StateName } from "../../Domain/State.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { shortIds } from "../../Operator/NameResolver.ts"
import { Overview, readOverview } from "../../Operator/Overview.ts"
import type { Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { usageError } from "../Failure.ts"
import { integrationFields, stateField } from "../Fields.ts"
import {
  type Field,
  type ListClock,
  listing,
  plainInstant,
  shortTime,
  timeTitle,
  tsv
} from "../Listing.ts"
import { safe } from "../Style.ts"
import { scopeOf } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { zoneFlag } from "../TimeArgument.ts"

/** `schedules list`: lists every integration with its schedule, soonest first. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const states = yield* Effect.forEach(given.values("state"), (text) =>
        Effect.mapError(decodeState(text), () =>
          usageError(
            `--state is "${text}": there is no such state`,
            `Use one of ${StateName.literals.join(", ")}.`
          )
        )
      )
      const zone = yield* zoneFlag(given)
      const integrationIds = yield* scopeOf(given)
      const overview = yield* Effect.mapError(
        readOverview({
          driftAlertMs: settings.driftAlert,
          integrationIds,
          search: given.value("search")
        }),
        databaseError
      )
      const rows = overview.integrations
        .filter(({ state }) => states.length === 0 || states.includes(state))
        .toSorted((a, b) => nextOf(a) - nextOf(b))
      yield* print({ ...overview, integrations: rows }, zone, terminal)
      return 0 as const
    })
  )

/** Integrations without a next slot come last. */
const nextOf = ({ enabled, next_run_at }: IntegrationState): number =>
  enabled ? (next_run_at ?? Number.MAX_VALUE) : Number.MAX_VALUE

const decodeState = Schema.decodeUnknown(StateName)
export const json = Overview.pick("now", "total", "integrations", "unreadable", "truncated")
const encode = Schema.encodeSync(json)

const print = (overview: Overview, zone: string, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { integrations, ...rest } = encode(overview)
    if (terminal.format === "json") return yield* terminal.printJson({ ...rest, integrations })
    if (terminal.format === "jsonl") {
      for (const one of integrations) yield* terminal.printJson({ type: "integration", ...one })
      return yield* terminal.printJson({ type: "page", ...rest })
    }
    const rows = overview.integrations
    const fields = fieldsOf(rows, { zone, now: overview.now })
    const lines = terminal.format === "tsv" ? tsv(fields, rows) : listing(fields, rows, terminal)
    yield* terminal.print(lines.length === 0 ? "No integrations." : lines.join("\n"))
    for (const { integration_id, why } of overview.unreadable) {
      terminal.note(`note: ${integration_id} cannot be read: ${safe(why)}`)
    }
  })

const fieldsOf = (
  integrations: ReadonlyArray<IntegrationState>,
  clock: ListClock
): ReadonlyArray<Field<IntegrationState>> => {
  const shortId = shortIds(integrations.map(({ integration_id }) => integration_id))
  return [
    {
      title: timeTitle("NEXT", clock),
      name: "next",
      show: ({ enabled, next_run_at }) => ({
        text: enabled ? shortTime(next_run_at, clock) : "paused"
      }),
      plain: ({ enabled, next_run_at }) => plainInstant(enabled ? next_run_at : null)
    },
    ...integrationFields(shortId),
    stateField,
    {
      title: "SCHEDULE",
      show: ({ schedule, timezone }) => ({ text: `${schedule ?? "none"}  ${timezone}` }),
      plain: ({ schedule }) => schedule
    },
    { title: "ZONE", show: null, plain: ({ timezone }) => timezone },
    { title: "LAST COMPLETED", show: null, plain: (one) => plainInstant(one.last_completed_slot) }
  ]
}
