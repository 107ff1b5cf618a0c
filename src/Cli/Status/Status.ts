import { Effect, Schema } from "effect"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { needsAttention } from "../../Domain/State.ts"
import { causeKey } from "../../Domain/StateCause.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { shortIds } from "../../Operator/NameResolver.ts"
import { MAX_INTEGRATIONS, Overview, readOverview } from "../../Operator/Overview.ts"
import type { Arguments, Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { integrationFields, stateField } from "../Fields.ts"
import {
  type Field,
  type ListClock,
  lead,
  listing,
  PAINT,
  plainInstant,
  prose,
  shortTime,
  timeTitle,
  tsv
} from "../Listing.ts"
import { safe } from "../Style.ts"
import { scopeOf } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { zoneFlag } from "../TimeArgument.ts"

/** `status`: shows all integrations, worst first. With `--exit-status`, exits with 3 if an integration needs attention. */
export const main: Main = (cli) =>
  withDatabase(cli, ({ settings }) =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const zone = yield* zoneFlag(given)
      const integrationIds = yield* scopeOf(given)
      const overview = yield* Effect.mapError(
        readOverview({ driftAlertMs: settings.driftAlert, integrationIds }),
        databaseError
      )
      yield* print(overview, given, { zone, now: overview.now }, terminal)
      return given.has("exit-status") && overview.verdict !== "ok" ? 3 : 0
    })
  )

export const json = Overview
const encode = Schema.encodeSync(json)

const print = (
  overview: Overview,
  given: Arguments,
  clock: ListClock,
  terminal: Terminal
): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(encode(overview))
    if (terminal.format === "jsonl") {
      const { integrations, ...rest } = encode(overview)
      for (const one of integrations) yield* terminal.printJson({ type: "integration", ...one })
      return yield* terminal.printJson({ type: "status", ...rest })
    }
    const single = new Set(overview.causes.flatMap(({ count, key }) => (count === 1 ? [key] : [])))
    const isShown = (one: IntegrationState): boolean => {
      const key = causeKey(one)
      return key === null ? one.state === "running" : terminal.format === "tsv" || single.has(key)
    }
    const shown = given.has("all") ? overview.integrations : overview.integrations.filter(isShown)
    const fields = fieldsOf(overview, clock)
    const lines =
      terminal.format === "tsv"
        ? tsv(fields, shown)
        : [
            ...headOf(overview, clock, terminal),
            ...listing(fields, shown, terminal),
            ...footOf(overview, shown, given)
          ]
    yield* terminal.print(lines.join("\n"))
  })

const SYMBOLS = {
  ok: ["✓", "green"],
  waiting: ["○", "yellow"],
  attention: ["✗", "red"],
  stopped: ["✗ Ticks have stopped:", "red"],
  never: ["✗ No engine has ticked yet:", "red"]
} as const

const headOf = (
  overview: Overview,
  clock: ListClock,
  terminal: Terminal
): ReadonlyArray<string> => {
  const { style } = terminal
  const [symbol, paint] = SYMBOLS[overview.verdict]
  return [
    ...lead(symbol, paint, overview.headline, terminal),
    ...prose(
      `  ${overview.heartbeat}; now ${describeInstant(overview.now, clock.zone)}`,
      terminal
    ).map(style.dim),
    ...overview.unreadable.map(
      ({ integration_id, why }) =>
        `${style.yellow("!")} ${integration_id} cannot be read: ${safe(why)}`
    ),
    ...(overview.truncated
      ? [`${style.yellow("!")} Only the first ${MAX_INTEGRATIONS} integrations were read.`]
      : []),
    ...causeLines(overview, clock, terminal),
    ""
  ]
}

/** Formats causes that several integrations share, such as `xledger: 200 × TOKEN_EXPIRED since 05:30 UTC`. */
const causeLines = (
  { causes }: Overview,
  clock: ListClock,
  terminal: Terminal
): ReadonlyArray<string> => {
  const shared = causes.filter(({ count }) => count > 1)
  if (shared.length === 0) return []
  return [
    "",
    ...shared.flatMap(({ label, message, severity, since, symbol, word }) => {
      const from = since === null ? "" : ` since ${shortTime(since, clock)} ${clock.zone}`
      const why = message === null ? "" : `: ${message}`
      return lead(`${symbol} ${word}`, PAINT[severity], safe(`${label}${from}${why}`), terminal)
    })
  ]
}

const footOf = (
  overview: Overview,
  shown: ReadonlyArray<IntegrationState>,
  given: Arguments
): ReadonlyArray<string> => {
  const grouped = new Set(overview.causes.flatMap(({ count, key }) => (count > 1 ? [key] : [])))
  const listed = new Set(shown)
  const left = overview.integrations.filter((one) => !listed.has(one))
  const hidden = left.filter((one) => !grouped.has(causeKey(one) ?? "")).length
  const all = `${given.lineWithout("exit-status")} --all`
  const shortId = shortIds(overview.integrations.map(({ integration_id }) => integration_id))
  const [worst] = shown
  return [
    ...(shown.length > 0 ? [""] : []),
    ...(hidden > 0
      ? [`${hidden.toLocaleString("en-US")} more: ${all}`]
      : left.length > 0
        ? [`List all: ${all}`]
        : []),
    ...(worst !== undefined && needsAttention(worst.state)
      ? [`Why: sync-scheduler explain ${shortId(worst.integration_id)}`]
      : [])
  ]
}

const fieldsOf = (
  { integrations }: Overview,
  clock: ListClock
): ReadonlyArray<Field<IntegrationState>> => {
  const shortId = shortIds(integrations.map(({ integration_id }) => integration_id))
  return [
    stateField,
    ...integrationFields(shortId),
    {
      title: timeTitle("SINCE", clock),
      name: "since",
      show: ({ since }) => ({ text: shortTime(since, clock) }),
      plain: ({ since }) => plainInstant(since)
    },
    { title: "WHY", show: ({ why }) => ({ text: why }), plain: ({ why }) => why }
  ]
}
