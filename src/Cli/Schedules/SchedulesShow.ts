import { Effect, Either, Schema } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import { isHeard, type ProviderHealth } from "../../Domain/IntegrationStatus.ts"
import * as Schedule from "../../Domain/Schedule/Schedule.ts"
import { APPEARANCE } from "../../Domain/State.ts"
import { IntegrationState } from "../../Operator/IntegrationState.ts"
import { displayName } from "../../Operator/NameResolver.ts"
import { readOverview } from "../../Operator/Overview.ts"
import { RUN_APPEARANCE } from "../../Operator/Runs.ts"
import type { Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { usageError } from "../Failure.ts"
import { lead, PAINT, prose, shortTime } from "../Listing.ts"
import { whyOf } from "../Runs/RunsList.ts"
import { safe } from "../Style.ts"
import { target } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"

const UPCOMING = 3

/** `schedules show`: shows one integration with all its settings and its status. */
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
            `integration ${integration_id} cannot be read: ${why?.why ?? "it no longer exists"}`,
            "Check its row in organization_integrations."
          )
        )
      }
      if (terminal.format === "text")
        yield* terminal.print(lines(one, overview.now, terminal).join("\n"))
      else yield* terminal.printJson(encode(one))
      return 0 as const
    })
  )

export const json = IntegrationState
const encode = Schema.encodeSync(json)

const lines = (one: IntegrationState, now: number, terminal: Terminal): ReadonlyArray<string> => {
  const at = (ms: number | null) => shortTime(ms, { zone: one.timezone, now })
  const zone = one.timezone_is_set === false ? "UTC, because no time zone is set" : one.timezone
  const { last_run: last, live_run: live } = one
  const { severity, symbol, word } = APPEARANCE[one.state]
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["integration", one.integration_id],
    ["organisation", `${one.org_name ?? "no name"} (${one.org_id})`],
    ["schedule", `${one.schedule ?? "none"}, in force since ${at(one.schedule_since)}`],
    ["time zone", `${zone}; all times shown are in this zone`],
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
        : [`${at(last.scheduled_for)}: ${RUN_APPEARANCE[last.status].word}`, whyOf(last)]
            .filter(Boolean)
            .join(", ")
    ],
    ["last success", at(one.last_completed_slot)],
    ...(live === null
      ? []
      : [["live run", `${at(live.scheduled_for)}: ${live.status}, run ${live.run_id}`] as const]),
    ...(one.breaker_until === null ? [] : [["breaker", `until ${at(one.breaker_until)}`] as const]),
    [
      "policy",
      `catch_up ${one.catch_up}, on_unknown ${one.on_unknown}, ${one.fenced ? "fenced" : "not fenced"}, up to ${one.max_attempts} ${one.max_attempts === 1 ? "attempt" : "attempts"}`
    ],
    ["function", one.function_name ?? "the default function"],
    ...(one.health === null ? [] : [["provider", providerText(one.health, now)] as const])
  ]
  return [
    ...lead(
      `${symbol} ${word}`,
      PAINT[severity],
      ` ${safe(displayName(one))}: ${safe(one.why)}`,
      terminal
    ),
    "",
    ...facts.flatMap(([name, text]) =>
      prose(`  ${name.padEnd(12)} ${safe(text.trim())}`, terminal)
    ),
    "",
    `→ did it run: sync-scheduler explain ${one.integration_id}`,
    one.enabled
      ? `→ pause it: sync-scheduler schedules pause ${one.integration_id}`
      : `→ resume it: sync-scheduler schedules resume ${one.integration_id}`
  ]
}

/** Describes a probe result or throttling, if known. Otherwise, describes when a sync last completed. */
const providerText = (health: ProviderHealth, now: number): string => {
  const ago = (at: number | null) => (at === null ? "" : ` ${Duration.rough(now - at)} ago`)
  const { host, message, probed_at, provider, status, synced_at } = health
  if (!isHeard(health)) {
    return synced_at === null
      ? `${provider}: not known`
      : `${provider}: last sync completed${ago(synced_at)}`
  }
  const said = status === "healthy" ? `answered a probe${ago(probed_at)}` : status
  return `${provider} at ${host}: ${said}${message == null ? "" : `, ${message}`}`
}

/** Returns the database's `next_run_at`, followed by the later slots of the schedule. */
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
