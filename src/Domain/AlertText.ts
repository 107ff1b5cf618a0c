import type { Alert, AlertBatch } from "./Alert.ts"
import * as Duration from "./Duration.ts"
import { format } from "./Instant.ts"
import { tidyMessage } from "./Message.ts"

/** The text of an alert. Unknown facts are omitted. */
export interface AlertText {
  /** One line that names the event and the integration. */
  readonly title: string
  readonly facts: ReadonlyArray<readonly [name: string, value: string]>
  readonly why: string
  /** The next step, usually a command. */
  readonly next: string
}

/** The maximum number of incidents to list in a summary. */
const MAX_LINES = 10

export const textOf = (alert: Alert): AlertText => {
  const { integration, run, transition } = alert
  const words = (kinds[alert.kind] ?? unknownKind)(alert)
  const isOver = transition === "resolved"
  const lasted = (alert.resolved_at ?? alert.opened_at) - alert.opened_at
  const due = run?.scheduled_for ?? instantIn(alert, "scheduled_for")
  const drift = run?.drift_ms ?? null
  const name = nameOf(alert)
  return {
    title: tidyMessage(isOver ? `Resolved: ${words.over} (${name})` : `${words.title} (${name})`),
    facts: [
      ...(integration === null ? [] : factsOf(integration)),
      ...(due === null ? [] : ([["Due", showInstant(due)]] as const)),
      ...(drift === null ? [] : ([["Late by", Duration.format(drift)]] as const)),
      ...(alert.occurrences > 1 ? ([["Times", String(alert.occurrences)]] as const) : []),
      ["Since", showInstant(alert.opened_at)],
      ...(isOver && alert.resolved_at !== null
        ? ([["Until", `${showInstant(alert.resolved_at)}, ${Duration.format(lasted)}`]] as const)
        : [])
    ],
    why: tidyMessage(
      isOver && !alert.announced
        ? `${words.why} The incident closed before an alert about it could be sent.`
        : words.why
    ),
    next: isOver ? "Nothing to do." : tidyMessage(words.next)
  }
}

export const summaryOf = (batch: AlertBatch): AlertText => {
  const counts = Object.entries(batch.kinds)
    .toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([kind, n]) => `${n} ${kind.replaceAll("_", " ")}`)
  const lines = batch.alerts.slice(0, MAX_LINES).map((alert) => textOf(alert).title)
  const more = batch.total - lines.length
  return {
    title: `${batch.total} incidents: ${batch.opened} opened, ${batch.resolved} closed`,
    facts: [["Kinds", counts.join(", ")]],
    why: [...lines, ...(more > 0 ? [`... and ${more} more`] : [])].join("\n"),
    next: "sync-scheduler status"
  }
}

export const linesOf = ({ facts, next, title, why }: AlertText): string =>
  [
    title,
    ...facts.map(([name, value]) => `${name}: ${value}`),
    `Why: ${why}`,
    `Next: ${next}`
  ].join("\n")

/** Formats an instant as `2026-11-24 02:00 UTC`, with seconds only if they are not zero. */
const showInstant = (ms: number): string => {
  const text = format(ms)
  return `${text.slice(0, 10)} ${text.slice(11, 19).replace(/:00$/, "")} UTC`
}

type Words = Readonly<Record<"title" | "over" | "why" | "next", string>>

const kinds: Readonly<Record<string, (alert: Alert) => Words>> = {
  drift: (alert) => ({
    title: `A sync started ${late(alert)} late`,
    over: "the syncs start on time again",
    why: whyLate(alert),
    next: explain(alert)
  }),
  missed: (alert) => ({
    title: "Slots were skipped",
    over: "the latest slot was run, and no slot was skipped",
    why: `${text(alert, "count") ?? "Some"} slots from ${text(alert, "from") ?? "?"} to ${text(alert, "to") ?? "?"} were not run: ${skipReasons[text(alert, "reason") ?? ""] ?? text(alert, "reason") ?? "no reason is recorded"}.`,
    next: explain(alert)
  }),
  unknown: (alert) => ({
    title: "It is not known whether a sync took effect",
    over: "the outcome of the sync is known, or the sync runs again",
    why: failure(alert) ?? "No outcome was reported.",
    next: `Check in the accounting system whether the sync took effect, then: sync-scheduler runs show ${alert.run?.id ?? alert.subject}`
  }),
  schedule_error: (alert) => ({
    title: "A schedule cannot be computed, so nothing runs",
    over: "the schedule was edited",
    why: `${text(alert, "error") ?? "The schedule is invalid"} (schedule ${text(alert, "schedule") ?? "none"}, zone ${text(alert, "timezone") ?? "UTC"}).`,
    next: `Correct sync_schedule or timezone: sync-scheduler schedules show ${alert.subject}`
  }),
  breaker: (alert) => ({
    title: "A sync failed repeatedly and is paused",
    over: "the sync works again",
    why: `${text(alert, "consecutive_failures") ?? "Several"} failures in a row; the last one: ${failure(alert) ?? "no reason recorded"}. The sync is not retried before ${text(alert, "until") ?? "later"}.`,
    next: `When the cause is fixed: sync-scheduler schedules resume ${alert.subject}`
  }),
  failing: (alert) => ({
    title: "A sync failed",
    over: "the sync completes again, or is paused",
    why: `${failure(alert) ?? "No reason was recorded."} Failures are not retried automatically.`,
    next: `When the cause is fixed: sync-scheduler runs retry ${alert.run?.id.slice(0, 8) ?? alert.subject}`
  }),
  retrying: (alert) => ({
    title: "A sync was rejected several times and is being retried",
    over: "the sync is no longer being retried",
    why: failure(alert) ?? "No reason was recorded.",
    next: explain(alert)
  }),
  clock_skew: (alert) => ({
    title: `An engine's clock differs from the database's by ${spanOf(number(alert, "clock_skew_ms"))}`,
    over: "the engine's clock agrees with the database's again",
    why: "The database's clock decides when syncs are due, so they start on time; this engine's deadlines and log times are wrong.",
    next: `Check the time synchronisation of the machine that runs ${alert.subject}.`
  }),
  rescued: (alert) => ({
    title: "An engine died before it started a run that it had claimed",
    over: "no more runs of that engine had to be taken over",
    why: `${alert.subject} claimed the run at ${text(alert, "claimed_at") ?? "?"} but never started it; ${text(alert, "adopted_by") ?? "another engine"} started it instead. Nothing was lost.`,
    next: `Check the log of ${alert.subject} to see why it stopped.`
  }),
  cold_start: (alert) => ({
    title: "A function was cold when it was first called",
    over: "the function was warm when it was first called",
    why: `The first call took ${spanOf(number(alert, "warm_up_ms"))}${text(alert, "detail") === null ? "" : `: ${text(alert, "detail")}`}.`,
    next: "If this persists, reduce the function's dependencies or tick more often."
  }),
  rejected: (alert) => ({
    title: "The database rejects a row, so its sync does not run",
    over: "the database accepts the row again",
    why: text(alert, "error") ?? "No reason is recorded.",
    next: "Correct the row, constraint or trigger that the error names, then: sync-scheduler doctor"
  }),
  stuck: (alert) => ({
    title: "A slot is skipped in every tick and does not run",
    over: "the slot is no longer skipped",
    why: `${text(alert, "ticks") ?? "Several"} ticks since ${text(alert, "since") ?? "then"} skipped the slot: ${stuckBecause[text(alert, "reason") ?? ""] ?? text(alert, "reason") ?? "no reason is recorded"}${text(alert, "detail") === null ? "" : `: ${text(alert, "detail")}`}.`,
    next: explain(alert)
  }),
  health: (alert) =>
    text(alert, "status") === "throttled"
      ? {
          title:
            text(alert, "org_id") === null
              ? "An accounting API is throttling the scheduler"
              : "An accounting API is throttling one organisation",
          over: "the accounting API accepts syncs again",
          why: `${failure(alert) ?? "The API is throttling requests."} The affected syncs wait until ${text(alert, "until") ?? "later"}, then run one at a time.${text(alert, "org_id") === null ? ` The API is not probed before ${text(alert, "probes_again") ?? "then"}.` : " Other organisations are not affected."}`,
          next: "No action is needed yet. If this persists, spread out the schedules of the integrations that use the API."
        }
      : {
          title: "An accounting API is not responding correctly",
          over: "the accounting API responds correctly again",
          why: failure(alert) ?? "Its health check failed.",
          next: "sync-scheduler probe"
        },
  test: () => ({
    title: "Test alert: nothing is wrong",
    over: "test alert, nothing was wrong",
    why: "An operator ran sync-scheduler notify test.",
    next: "Nothing to do."
  })
}

const unknownKind = (alert: Alert): Words => ({
  title: `Incident: ${alert.kind}`,
  over: alert.kind,
  why: failure(alert) ?? "See the incident's detail in sync_incident.",
  next: explain(alert)
})

const stuckBecause: Readonly<Record<string, string>> = {
  locked: "another session holds its lock (locked)",
  lost_race: "it changed each time before it could be claimed (lost_race)",
  already_recorded: "it already has a run, but the schedule does not advance (already_recorded)",
  claim_unconfirmed: "the database did not confirm the claim (claim_unconfirmed)",
  start_unconfirmed: "the database did not confirm the start (start_unconfirmed)",
  function_unavailable: "its function cannot be reached (function_unavailable)"
}

const skipReasons: Readonly<Record<string, string>> = {
  superseded: "only the newest missed slot is run (catch_up = latest)",
  outside_window: "they are older than the catch-up window",
  catch_up_skip: "missed slots are not run (catch_up = skip)"
}

const whyLate = ({ run }: Alert): string => {
  const { first_tick_at: ticked, scheduled_for: due, started_at: started } = run ?? {}
  if (due == null || started == null) return "No cause is recorded."
  if (ticked == null) return "No tick is on record between the slot and the start."
  return ticked - due > (started - due) / 2
    ? `No engine ticked between ${showInstant(due)} and ${showInstant(ticked)}.`
    : "Engines ticked in time, but the run waited for the previous run, for a free permit, or for the database."
}

const nameOf = ({ integration, subject }: Alert): string =>
  integration === null ? subject : `${integration.type ?? "integration"} ${integration.id}`

const factsOf = (integration: NonNullable<Alert["integration"]>) => [
  ["Integration", `${integration.type ?? "of unknown type"} ${integration.id}`] as const,
  ...(integration.org_id === null ? [] : [["Organisation", integration.org_id] as const]),
  ...(integration.schedule === null
    ? []
    : [["Schedule", `${integration.schedule} (${integration.timezone})`] as const])
]

const explain = ({ integration }: Alert): string =>
  integration?.org_id ? `sync-scheduler explain ${integration.org_id}` : "sync-scheduler status"

const late = ({ detail, run }: Alert): string =>
  spanOf(run?.drift_ms ?? (typeof detail.drift_ms === "number" ? detail.drift_ms : null))

const failure = (alert: Alert): string | null => {
  const code = alert.run?.error_code ?? text(alert, "error_code")
  const message = alert.run?.error_message ?? text(alert, "error_message")
  return code === null && message === null ? null : [code, message].filter(Boolean).join(": ")
}

const text = ({ detail }: Alert, key: string): string | null => {
  const value = detail[key]
  return typeof value === "string" || typeof value === "number" ? String(value) : null
}

const number = ({ detail }: Alert, key: string): number | null => {
  const value = detail[key]
  return typeof value === "number" ? value : null
}

const instantIn = (alert: Alert, key: string): number | null => {
  const ms = Date.parse(text(alert, key) ?? "")
  return Number.isNaN(ms) ? null : ms
}

const spanOf = (ms: number | null): string =>
  ms === null ? "an unknown time" : Duration.format(Math.abs(ms))
