import { Effect, Layer, Schema } from "effect"
import { ApiHealth } from "../../Database/HealthRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import { Instant } from "../../Domain/Instant.ts"
import { type Probed, type ProbeRound, probeRound } from "../../Engine/HealthChecks.ts"
import type { Main } from "../Command.ts"
import { connect, databaseError } from "../Database.ts"
import { showInstant } from "../Report.ts"
import { type Cell, renderTable } from "../Table.ts"
import type { Terminal } from "../Terminal.ts"

/** `probe`: runs one round of health checks. Exits with 3 if an API is throttling requests or is unreachable. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const { arguments: given, terminal, layers } = cli
    // A demo's organisations are made up, so their APIs are not called.
    const dryRun = given.has("dry-run") || given.has("demo")
    const database = yield* connect(cli)
    const layer = Layer.merge(database, Layer.unwrapEffect(Effect.promise(layers.healthChecks)))
    const round = yield* probeRound({ asked: true, dryRun }).pipe(
      Effect.provide(layer),
      Effect.mapError(databaseError)
    )
    yield* print(round, dryRun, terminal)
    const isFine = round.probed.every(({ sign }) => sign === null || sign.sign === "reachable")
    return isFine ? (0 as const) : (3 as const)
  })

const REASONS: ReadonlyMap<string, string> = new Map([
  ["throttled", "it is throttling the scheduler"],
  ["passive", "it recently throttled the scheduler, so only syncs check it"],
  ["too_soon", "it was probed less than 15 minutes ago"],
  ["interval", "its next probe is not due yet"],
  ["backoff", "it did not answer, so the next probe is delayed"],
  ["known_from_syncs", "a sync reached it less than 15 minutes ago"],
  ["sync_running", "one of its syncs is running"],
  ["sync_is_near", "one of its syncs is due within a minute"],
  ["locked", "another engine is probing it"]
])

const ProbedJson = Schema.Struct({
  provider: Schema.String,
  host: Schema.String,
  method: Schema.Literal("HEAD", "GET", "OPTIONS"),
  /** The URL without its query string, which may contain a key. */
  url: Schema.String,
  /** Null in a dry run. */
  result: Schema.NullOr(Schema.Literal("reachable", "unreachable", "throttled")),
  http_status: Schema.NullOr(Schema.Int),
  code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  latency_ms: Schema.NullOr(Schema.Number),
  /** The health that the database recorded. */
  health: Schema.NullOr(ApiHealth)
})

export const json = Schema.Struct({
  dry_run: Schema.Boolean,
  now: Instant,
  probed: Schema.Array(ProbedJson),
  /** The APIs that are not probed now. `until` is the time of the next permitted probe, or null if unknown. */
  waiting: Schema.Array(
    Schema.Struct({
      provider: Schema.String,
      host: Schema.String,
      reason: Schema.String,
      until: Schema.NullOr(Instant)
    })
  ),
  /** Integration types whose API is unknown, and unusable values of health_url. */
  unknown: Schema.Array(
    Schema.Struct({ integration_type: Schema.String, health_url: Schema.NullOr(Schema.String) })
  )
})
const encode = Schema.encodeSync(json)

const jsonOf = ({ health, latencyMs, sign, target }: Probed): typeof ProbedJson.Type => ({
  provider: target.provider,
  host: target.host,
  method: target.method,
  url: shownUrl(target.url),
  result: sign?.sign ?? null,
  http_status: sign?.http_status ?? null,
  code: sign?.code ?? null,
  message: sign?.message ?? null,
  latency_ms: latencyMs,
  health
})

const shownUrl = (text: string): string => {
  const url = URL.parse(text)
  return url === null ? "" : `${url.origin}${url.pathname}`
}

const print = (round: ProbeRound, dryRun: boolean, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const whole = encode({
      ...round,
      dry_run: dryRun,
      probed: round.probed.map(jsonOf),
      unknown: round.unknown.map(({ health_url, integration_type }) => ({
        integration_type,
        health_url: health_url === null ? null : shownUrl(health_url)
      }))
    })
    if (terminal.format === "json") return yield* terminal.printJson(whole)
    if (terminal.format === "jsonl") {
      const { dry_run, now, probed, unknown, waiting } = whole
      for (const one of probed) yield* terminal.printJson({ type: "probed", ...one })
      for (const one of waiting) yield* terminal.printJson({ type: "waiting", ...one })
      for (const one of unknown) yield* terminal.printJson({ type: "unknown", ...one })
      return yield* terminal.printJson({ type: "round", dry_run, now })
    }
    yield* terminal.print(lines(round, dryRun, terminal).join("\n"))
    for (const one of round.unknown) terminal.note(unknownNote(one))
  })

const lines = (
  { now, probed, waiting }: ProbeRound,
  dryRun: boolean,
  { style, width }: Terminal
): ReadonlyArray<string> => {
  if (probed.length + waiting.length === 0) return ["There is no accounting API to probe."]
  const rows = [
    ...probed.map(({ latencyMs, sign, target }) => [
      { text: target.provider },
      { text: target.host },
      sign === null ? { text: "would be probed" } : RESULTS[sign.sign],
      { text: latencyMs === null ? "-" : Duration.format(Math.round(latencyMs)) },
      { text: sign === null ? `${target.method} ${shownUrl(target.url)}` : why(sign) }
    ]),
    ...waiting.map(({ host, provider, reason, until }) => [
      { text: provider },
      { text: host },
      { text: "- not now", paint: "dim" } as const,
      { text: "-" },
      {
        text: `${REASONS.get(reason) ?? reason}${until === null ? "" : `; again after ${showInstant(until, now)}`}`
      }
    ])
  ]
  const columns = [
    { title: "PROVIDER" },
    { title: "HOST" },
    { title: "RESULT" },
    { title: "LATENCY", align: "right" },
    { title: "WHY" }
  ] as const
  const count = probed.length === 1 ? "1 API" : `${probed.length} APIs`
  return [
    ...renderTable(columns, rows, style, width),
    "",
    dryRun
      ? `Would probe ${count} at ${showInstant(now)}. Nothing was sent or written.`
      : `Probed ${count} at ${showInstant(now)}, without credentials, once for all tenants.`
  ]
}

const RESULTS: Readonly<Record<NonNullable<Probed["sign"]>["sign"], Cell>> = {
  reachable: { text: "✓ reachable", paint: "green" },
  throttled: { text: "! throttled", paint: "yellow" },
  unreachable: { text: "✗ unreachable", paint: "red" }
}

const why = ({ code, http_status, message }: NonNullable<Probed["sign"]>): string =>
  [http_status === null ? null : `HTTP ${http_status}`, code, message]
    .filter((one, index, all) => one !== null && all.indexOf(one) === index)
    .join(", ")

const unknownNote = ({ health_url, integration_type }: ProbeRound["unknown"][number]): string =>
  health_url === null
    ? `note: ${integration_type} is not probed: the address of its API is unknown. Set health_url on its integrations.`
    : `note: ${integration_type} is not probed: its health_url is not an https URL (${shownUrl(health_url)}).`
