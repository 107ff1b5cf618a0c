import { Effect, Schema } from "effect"
import { needsAttention } from "../Domain/State.ts"
import { shortIds } from "../Operator/Naming.ts"
import {
  type IntegrationState,
  MAX_INTEGRATIONS,
  Overview,
  readOverview
} from "../Operator/Overview.ts"
import type { Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { integrationFields, stateField } from "./Fields.ts"
import { type Field, lead, listing, plainInstant, prose, shortTime } from "./Listing.ts"
import { showInstant } from "./Report.ts"
import { scopeOf } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

/** `status`: how everything is, on one screen, the worst first. With `--exit-status`, 3 when somebody should look. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const integrationIds = yield* scopeOf(given)
      const overview = yield* Effect.mapError(
        readOverview({ driftAlertMs: settings.driftAlert, integrationIds }),
        databaseError
      )
      yield* print(overview, given.has("all"), terminal)
      return given.has("exit-status") && overview.verdict !== "ok" ? 3 : 0
    })
  )

/** How everything is. */
export const json = Overview
const encode = Schema.encodeSync(json)

const print = (overview: Overview, all: boolean, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(encode(overview))
    if (terminal.format === "jsonl") {
      const { integrations, ...rest } = encode(overview)
      for (const one of integrations) yield* terminal.printJson({ type: "integration", ...one })
      return yield* terminal.printJson({ type: "status", ...rest })
    }
    const shown = all
      ? overview.integrations
      : overview.integrations.filter(({ state }) => needsAttention(state) || state === "running")
    const rows = listing(fieldsOf(overview), shown, terminal)
    const lines =
      terminal.width === null
        ? rows
        : [...headOf(overview, terminal), ...rows, ...footOf(overview, shown)]
    if (lines.length > 0) yield* terminal.print(lines.join("\n"))
  })

const SYMBOLS = {
  ok: ["✓", "green"],
  attention: ["✗", "red"],
  stopped: ["✗ Ticks have stopped:", "red"],
  never: ["✗ Nothing has ticked yet:", "red"]
} as const

const headOf = (overview: Overview, terminal: Terminal): ReadonlyArray<string> => {
  const { style } = terminal
  const [symbol, paint] = SYMBOLS[overview.verdict]
  const paused = overview.counts.paused > 0 || overview.counts.no_data > 0
  const headline =
    overview.verdict === "ok" && !paused ? `all fine: ${overview.headline}` : overview.headline
  return [
    ...lead(symbol, paint, headline, terminal),
    ...prose(`  ${overview.pulse}; now ${showInstant(overview.now)}`, terminal).map(style.dim),
    ...overview.unreadable.map(
      ({ integration_id, why }) =>
        `${style.yellow("!")} ${integration_id} cannot be read: ${why.split("\n")[0]}`
    ),
    ...(overview.truncated
      ? [`${style.yellow("!")} Only the first ${MAX_INTEGRATIONS} integrations were looked at.`]
      : []),
    ""
  ]
}

const footOf = (
  overview: Overview,
  shown: ReadonlyArray<IntegrationState>
): ReadonlyArray<string> => {
  const hidden = overview.integrations.length - shown.length
  const shortId = shortIds(overview.integrations.map(({ integration_id }) => integration_id))
  const [worst] = shown
  return [
    ...(shown.length > 0 ? [""] : []),
    ...(hidden > 0 ? [`${hidden} more, fine or paused: sync-scheduler status --all`] : []),
    ...(worst !== undefined && needsAttention(worst.state)
      ? [`Why: sync-scheduler explain ${shortId(worst.integration_id)}`]
      : [])
  ]
}

/** The columns of integrations with their states, for `status` and `schedules list`. */
const fieldsOf = ({ integrations, now }: Overview): ReadonlyArray<Field<IntegrationState>> => {
  const shortId = shortIds(integrations.map(({ integration_id }) => integration_id))
  return [
    stateField,
    ...integrationFields(shortId),
    {
      title: "SINCE",
      show: ({ since, timezone }) => ({ text: shortTime(since, timezone, now) }),
      plain: ({ since }) => plainInstant(since)
    },
    { title: "WHY", show: ({ why }) => ({ text: why }), plain: ({ why }) => why }
  ]
}
