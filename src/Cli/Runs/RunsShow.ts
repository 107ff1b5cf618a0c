import { Effect, Schema } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import { attemptOf, delayOf, type RunEvent } from "../../Domain/RunView.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { displayName } from "../../Operator/NameResolver.ts"
import { RUN_APPEARANCE, RunDetail } from "../../Operator/Runs.ts"
import type { Main } from "../Command.ts"
import { withDatabase } from "../Database.ts"
import {
  type Field,
  type ListClock,
  lead,
  listing,
  PAINT,
  plainInstant,
  prose,
  shortTime,
  timeTitle
} from "../Listing.ts"
import { safe } from "../Style.ts"
import { runNamed } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { whyOf } from "./RunsList.ts"

/** `runs show`: shows one run with all its events. */
export const main: Main = (cli) =>
  withDatabase(cli, () =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const detail = yield* runNamed(given.positionals[0] ?? "")
      if (terminal.format === "text") yield* terminal.print(lines(detail, terminal).join("\n"))
      else yield* terminal.printJson(encode(detail))
      return 0 as const
    })
  )

export const json = RunDetail
const encode = Schema.encodeSync(json)

const lines = (
  detail: RunDetail & { readonly run: NonNullable<RunDetail["run"]> },
  terminal: Terminal
): ReadonlyArray<string> => {
  const { events, incidents, integration, now, run } = detail
  const { style } = terminal
  const zone = integration?.timezone ?? "UTC"
  const at = (ms: number | null) => shortTime(ms, { zone, now })
  const { severity, symbol, word } = RUN_APPEARANCE[run.status]
  const label = integration === null ? `${run.integration_id} (deleted)` : displayName(integration)
  const why = whyOf(run)
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["run", run.run_id],
    ["due", describeInstant(run.scheduled_for, zone)],
    ["trigger", run.trigger],
    ["attempt", attemptOf(run)],
    [
      "started",
      run.drift_ms === null
        ? at(run.started_at)
        : `${at(run.started_at)}, ${Duration.format(run.drift_ms)} after it was due`
    ],
    [
      "finished",
      run.duration_ms === null
        ? at(run.finished_at)
        : `${at(run.finished_at)}, took ${Duration.format(run.duration_ms)}`
    ],
    ...(run.not_before !== null && run.status === "pending"
      ? [["not before", [at(run.not_before), delayOf(run)].filter(Boolean).join(": ")] as const]
      : []),
    ...(run.status === "running" ? [["lease until", at(run.lease_until)] as const] : []),
    ["engine", run.claimed_by ?? "-"],
    ["key", run.idempotency_key ?? "-"]
  ]
  return [
    ...lead(
      `${symbol} ${word}`,
      PAINT[severity],
      ` ${safe(label)}${why === "" ? "" : `: ${safe(why)}`}`,
      terminal
    ),
    "",
    ...facts.flatMap(([name, text]) => prose(`  ${name.padEnd(11)} ${safe(text)}`, terminal)),
    "",
    ...listing(eventFields({ zone, now }), events, terminal),
    ...incidents.map(
      ({ kind, opened_at, resolved_at }) =>
        `${style.yellow("!")} incident ${kind}, opened ${at(opened_at)}${resolved_at === null ? "" : `, closed ${at(resolved_at)}`}`
    ),
    ...nextSteps(run.status, run.run_id, run.released_at !== null)
  ]
}

const nextSteps = (status: string, id: string, released: boolean): ReadonlyArray<string> =>
  status === "failed" || status === "skipped"
    ? ["", `→ run it now: sync-scheduler runs retry ${id} --wait`]
    : status === "unknown"
      ? [
          "",
          `→ it did not run: sync-scheduler runs retry ${id} --wait`,
          ...(released ? [] : [`→ it did run: sync-scheduler runs release ${id}`])
        ]
      : []

const eventFields = (clock: ListClock): ReadonlyArray<Field<RunEvent>> => [
  {
    title: timeTitle("WHEN", clock),
    show: ({ at }) => ({ text: shortTime(at, clock) }),
    plain: ({ at }) => plainInstant(at)
  },
  { title: "WHAT", show: ({ kind }) => ({ text: kind }), plain: ({ kind }) => kind },
  {
    title: "STATE",
    show: ({ from_status, to_status }) => ({
      text: [from_status, to_status].filter((one) => one !== null).join(" → ")
    }),
    plain: ({ to_status }) => to_status
  },
  {
    title: "ATTEMPT",
    show: ({ attempt }) => ({ text: attempt === null ? "" : String(attempt) }),
    plain: ({ attempt }) => attempt
  },
  { title: "BY", show: ({ actor }) => ({ text: actor ?? "" }), plain: ({ actor }) => actor },
  { title: "NOTE", show: (event) => ({ text: noteOf(event) }), plain: noteOf }
]

const noteOf = ({ detail, reason }: RunEvent): string => {
  const facts =
    typeof detail === "object" && detail !== null
      ? Object.values(detail)
          .filter((value) => typeof value === "string" || typeof value === "number")
          .join(" ")
      : ""
  return [reason ?? "", facts].filter((part) => part !== "").join(": ")
}
