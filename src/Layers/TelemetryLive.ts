import * as Otlp from "@effect/opentelemetry/Otlp"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { parsePairs } from "../Config/Telemetry.ts"
import { isTraced } from "../Domain/Tracing.ts"
import type { ProxyOf } from "../Http/Proxy.ts"
import * as TelemetryClient from "./TelemetryClient.ts"
import { byRun } from "./TelemetryTracer.ts"

const FLUSH_WITHIN_MS = 2_000
/** The interval between metric exports, in milliseconds (OpenTelemetry's default). */
const METRICS_EVERY_MS = 60_000

export interface TelemetryOptions {
  /** The base URL of `/v1/traces`, `/v1/metrics` and `/v1/logs`. */
  readonly endpoint: string
  readonly protocol: "http/protobuf" | "http/json"
  /** The request headers as `key=value,...`, percent-encoded. */
  readonly headers: Redacted.Redacted<string> | null
  readonly serviceName: string | null
  /** The resource attributes as `key=value,...`, percent-encoded. */
  readonly resourceAttributes: string | null
  readonly hostname: string
  readonly version: string
  readonly proxyOf?: ProxyOf
}

/**
 * Exports traces, metrics and logs over OTLP/HTTP.
 *
 * *Guarantees*: a telemetry failure never affects a tick. An unreachable collector causes one warning. When the scope closes, the
 * remaining telemetry is sent within two seconds or dropped.
 */
export const layer = (options: TelemetryOptions): Layer.Layer<never> => {
  const { "service.name": named, ...attributes } = Object.fromEntries(
    parsePairs(options.resourceAttributes ?? "") ?? []
  )
  const otlp = options.protocol === "http/json" ? Otlp.layerJson : Otlp.layerProtobuf
  const exporting = otlp({
    baseUrl: options.endpoint,
    resource: {
      serviceName: options.serviceName ?? named ?? "sync-scheduler",
      serviceVersion: options.version,
      attributes: { "host.name": options.hostname, ...attributes }
    },
    headers: headersOf(options.headers),
    loggerExcludeLogSpans: true,
    metricsExportInterval: METRICS_EVERY_MS,
    shutdownTimeout: FLUSH_WITHIN_MS
  })
  return Layer.unwrapEffect(
    Effect.map(Effect.tracer, (tracer) => Layer.setTracer(byRun(tracer)))
  ).pipe(
    Layer.merge(Layer.scopedDiscard(Effect.locallyScoped(isTraced, true))),
    Layer.provideMerge(exporting),
    Layer.provide(TelemetryClient.layer(options)),
    // Keeps the exporter from reading the environment. All settings come from src/Config.
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map())))
  )
}

const headersOf = (headers: TelemetryOptions["headers"]) =>
  Object.fromEntries(headers === null ? [] : (parsePairs(Redacted.value(headers)) ?? []))
