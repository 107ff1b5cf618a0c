import { Effect, Schema } from "effect"
import { StateName } from "../Domain/State.ts"
import { shortIds } from "../Operator/Naming.ts"
import { type IntegrationState, Overview, readOverview } from "../Operator/Overview.ts"
import type { Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { usageError } from "./Failure.ts"
import { integrationFields, stateField } from "./Fields.ts"
import { type Field, listing, plainInstant, shortTime } from "./Listing.ts"
import { scopeOf } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

/** `schedules list`: every integration with its schedule, the soonest first. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const states = yield* Effect.forEach(given.values("state"), (text) =>
        Effect.mapError(decodeState(text), () =>
          usageError(
            `--state is "${text}": there is no such state`,
            `Write one of ${StateName.literals.join(", ")}.`
          )
        )
      )
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
      yield* print({ ...overview, integrations: rows }, terminal)
      return 0 as const
    })
  )

/** Where it stands in the list: what has no next slot comes last. */
const nextOf = ({ enabled, next_run_at }: IntegrationState): number =>
  enabled ? (next_run_at ?? Number.MAX_VALUE) : Number.MAX_VALUE

const decodeState = Schema.decodeUnknown(StateName)
/** The part of an overview that is about integrations. */
export const json = Overview.pick("now", "total", "integrations", "unreadable", "truncated")
const encode = Schema.encodeSync(json)

const print = (overview: Overview, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { integrations, ...rest } = encode(overview)
    if (terminal.format === "json") return yield* terminal.printJson({ ...rest, integrations })
    if (terminal.format === "jsonl") {
      for (const one of integrations) yield* terminal.printJson({ type: "integration", ...one })
      return yield* terminal.printJson({ type: "page", ...rest })
    }
    const lines = listing(fieldsOf(overview), overview.integrations, terminal)
    if (lines.length > 0) yield* terminal.print(lines.join("\n"))
    else if (terminal.width !== null) yield* terminal.print("No integrations.")
    for (const { integration_id, why } of overview.unreadable) {
      terminal.note(`note: ${integration_id} cannot be read: ${why.split("\n")[0]}`)
    }
  })

const fieldsOf = ({ integrations, now }: Overview): ReadonlyArray<Field<IntegrationState>> => {
  const shortId = shortIds(integrations.map(({ integration_id }) => integration_id))
  return [
    {
      title: "NEXT",
      show: ({ enabled, next_run_at, timezone }) => ({
        text: enabled ? shortTime(next_run_at, timezone, now) : "paused"
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
