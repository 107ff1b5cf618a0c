import { Either } from "effect"
import { httpUrl, oneOf, optional, type Parser, pattern, secret, withDefault } from "./Setting.ts"

/** Parses `key=value,key=value` with percent-encoded values. *Source*: W3C Baggage, without properties. */
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

const FORM = "Write key=value, several with commas between; percent-encode what is special."

const pairs: Parser<string> = (text) =>
  parsePairs(text) === null
    ? Either.left({ why: "it is not a list of key=value", fix: FORM })
    : Either.right(text)

/**
 * The OpenTelemetry standard settings that apply here. An error in one of them causes a warning and disables telemetry, but does
 * not stop a tick. *Source*: OpenTelemetry specification, "Environment Variable Specification".
 */
export const telemetryTable = {
  otelEndpoint: optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "Where traces, metrics and logs are sent (OTLP over HTTP); nowhere when not set.",
    "http://127.0.0.1:4318",
    httpUrl
  ),
  otelProtocol: withDefault(
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "http/protobuf",
    "How they are written: http/protobuf or http/json.",
    oneOf(["http/protobuf", "http/json"])
  ),
  otelHeaders: secret(
    "OTEL_EXPORTER_OTLP_HEADERS",
    "Headers that are sent along.",
    "authorization=Bearer%20<token>",
    pairs
  ),
  otelServiceName: optional(
    "OTEL_SERVICE_NAME",
    "What this service is called there; sync-scheduler when not set.",
    "sync-scheduler",
    pattern(/^[^\p{Cc}]{1,200}$/u, "it has control characters, or is too long", "Write a name.")
  ),
  otelResourceAttributes: optional(
    "OTEL_RESOURCE_ATTRIBUTES",
    "What else is said of this service there.",
    "deployment.environment.name=production",
    pairs
  ),
  otelDisabled: withDefault(
    "OTEL_SDK_DISABLED",
    "false",
    "true: nothing is sent, regardless of the other settings.",
    oneOf(["false", "true"])
  )
} as const
