import { Effect, Schema } from "effect"
import * as Duration from "../Domain/Duration.ts"
import { delayOf, type RunEvent } from "../Domain/RunView.ts"
import { describeInstant } from "../Domain/Schedule.ts"
import { labelOf } from "../Operator/Naming.ts"
import { RUN_APPEARANCE, RunDetail } from "../Operator/Runs.ts"
import { runNamed } from "./Acting.ts"
import type { Main } from "./Command.ts"
import { withDatabase } from "./Database.ts"
import { type Field, lead, listing, PAINT, plainInstant, prose, shortTime } from "./Listing.ts"
import { showInstant } from "./Report.ts"
import { whyOf } from "./RunsList.ts"
import { safe } from "./Style.ts"
import type { Terminal } from "./Terminal.ts"

/** `runs show`: one run with all that happened to it. */
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

/** The run. */
export const json = RunDetail
const encode = Schema.encodeSync(json)

const lines = (
  detail: RunDetail & { readonly run: NonNullable<RunDetail["run"]> },
  terminal: Terminal
): ReadonlyArray<string> => {
  const { events, incidents, integration, now, run } = detail
  const { style } = terminal
  const zone = integration?.timezone ?? "UTC"
  const at = (ms: number | null) => (ms === null ? "-" : describeInstant(ms, zone))
  const { symbol, tone, word } = RUN_APPEARANCE[run.status]
  const label = integration === null ? `${run.integration_id} (deleted)` : labelOf(integration)
  const why = whyOf(run)
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["run", run.run_id],
    ["slot", `${at(run.scheduled_for)} (${showInstant(run.scheduled_for)})`],
    ["trigger", run.trigger],
    ["tries", `${run.attempt} of ${run.max_attempts}`],
    [
      "started",
      run.drift_ms === null
        ? at(run.started_at)
        : `${at(run.started_at)}, ${Duration.format(run.drift_ms)} after its slot`
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
      PAINT[tone],
      ` ${safe(label)}${why === "" ? "" : `: ${safe(why)}`}`,
      terminal
    ),
    "",
    ...facts.flatMap(([name, text]) => prose(`  ${name.padEnd(11)} ${safe(text)}`, terminal)),
    "",
    ...listing(eventFields(zone, now), events, terminal),
    ...incidents.map(
      ({ kind, opened_at, resolved_at }) =>
        `${style.yellow("!")} incident ${kind}, since ${at(opened_at)}${resolved_at === null ? "" : `, over since ${at(resolved_at)}`}`
    ),
    ...nextSteps(run.status, run.run_id, run.released_at !== null)
  ]
}

const nextSteps = (status: string, id: string, released: boolean): ReadonlyArray<string> =>
  status === "failed" || status === "skipped"
    ? ["", `Run it again: sync-scheduler runs retry ${id}`]
    : status === "unknown"
      ? [
          "",
          `Run it again: sync-scheduler runs retry ${id}`,
          ...(released ? [] : [`It did run: sync-scheduler runs release ${id}`])
        ]
      : []

const eventFields = (zone: string, now: number): ReadonlyArray<Field<RunEvent>> => [
  {
    title: "WHEN",
    show: ({ at }) => ({ text: shortTime(at, zone, now) }),
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
    title: "TRY",
    show: ({ attempt }) => ({ text: attempt === null ? "" : String(attempt) }),
    plain: ({ attempt }) => attempt
  },
  { title: "BY", show: ({ actor }) => ({ text: actor ?? "" }), plain: ({ actor }) => actor },
  { title: "NOTE", show: (event) => ({ text: noteOf(event) }), plain: noteOf }
]

/** Why, and the details that were recorded with it. */
const noteOf = ({ detail, reason }: RunEvent): string => {
  const facts =
    typeof detail === "object" && detail !== null
      ? Object.values(detail)
          .filter((value) => typeof value === "string" || typeof value === "number")
          .join(" ")
      : ""
  return [reason ?? "", facts].filter((part) => part !== "").join(": ")
}
