import { Either } from "effect"
import { httpUrl, oneOf, optional, type Parser, pattern, secret, withDefault } from "./Setting.ts"

/** Parses `key=value,key=value` with percent-encoded values. *Source*: W3C Baggage; its optional properties are not supported. */
export const parsePairs = (text: string): ReadonlyArray<readonly [string, string]> | null => {
  const pairs = text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part): readonly [string, string] | null => {
      const [, key, value] = /^\s*([^\s=,;]+)\s*=(.*)$/s.exec(part) ?? []
      if (key === undefined || value === undefined) return null
      const decoded = Either.getOrNull(Either.try(() => decodeURIComponent(value.trim())))
      return decoded === null ? null : [key, decoded]
    })
  return pairs.includes(null) ? null : pairs.filter((pair) => pair !== null)
}

const FORM = "Write key=value pairs, separated by commas, with special characters percent-encoded."

const pairs: Parser<string> = (text) =>
  parsePairs(text) === null
    ? Either.left({ why: "it is not a list of key=value pairs", fix: FORM })
    : Either.right(text)

/**
 * The supported OpenTelemetry settings. An error in one of them disables telemetry but does not stop a tick.
 * *Source*: OpenTelemetry specification, "Environment Variable Specification".
 */
export const telemetryTable = {
  otelEndpoint: optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "The endpoint for traces, metrics and logs (OTLP over HTTP); nothing is sent when it is not set.",
    "http://127.0.0.1:4318",
    httpUrl
  ),
  otelProtocol: withDefault(
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "http/protobuf",
    "The encoding of telemetry: http/protobuf or http/json.",
    oneOf(["http/protobuf", "http/json"])
  ),
  otelHeaders: secret(
    "OTEL_EXPORTER_OTLP_HEADERS",
    "Headers to send with telemetry.",
    "authorization=Bearer%20<token>",
    pairs
  ),
  otelServiceName: optional(
    "OTEL_SERVICE_NAME",
    "The name of this service in telemetry; sync-scheduler when not set.",
    "sync-scheduler",
    pattern(
      /^[^\p{Cc}]{1,200}$/u,
      "it contains control characters, or is too long",
      "Write a name."
    )
  ),
  otelResourceAttributes: optional(
    "OTEL_RESOURCE_ATTRIBUTES",
    "Additional attributes of this service in telemetry.",
    "deployment.environment.name=production",
    pairs
  ),
  otelDisabled: withDefault(
    "OTEL_SDK_DISABLED",
    "false",
    "If true, nothing is sent, regardless of the other settings.",
    oneOf(["false", "true"])
  )
} as const
