import { expect, test } from "bun:test"
import { Either, Redacted } from "effect"
import { inspect } from "../../src/Config/Load.ts"
import { parsePairs } from "../../src/Config/Telemetry.ts"

const inspected = (environment: Readonly<Record<string, string>>) =>
  inspect({ flags: {}, environment, readFile: () => Either.right(null) })

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318/" }

test("the settings have OpenTelemetry's names and formats, and headers are secret", () => {
  const { problems, settings, warnings } = inspected({
    ...ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x,x-tenant=a",
    OTEL_SDK_DISABLED: "TRUE"
  })
  expect([problems, warnings]).toEqual([[], []])
  expect(settings).toMatchObject({
    otelEndpoint: "http://127.0.0.1:4318",
    otelProtocol: "http/protobuf",
    otelDisabled: "true"
  })
  expect(Redacted.isRedacted(settings.otelHeaders)).toBe(true)
})

test("an invalid telemetry setting is a warning that turns telemetry off, and ticks continue", () => {
  const wrong = [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" },
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: "Bearer secret-thing" },
    { ...ENDPOINT, OTEL_RESOURCE_ATTRIBUTES: "a=%zz" }
  ]
  for (const environment of wrong) {
    const { problems, settings, warnings } = inspected(environment)
    expect(problems).toEqual([])
    expect(settings.otelEndpoint).toBeNull()
    expect(warnings.join()).toMatch(/OTEL_\w+ .*No telemetry is sent\. \w/)
    expect(warnings.join()).not.toContain("secret-thing")
  }
})

test("key=value lists can contain percent-encoding, spaces and empty parts; an invalid list is null", () => {
  expect(parsePairs("a=1, b = x%3Dy ,,c=")).toEqual([
    ["a", "1"],
    ["b", "x=y"],
    ["c", ""]
  ])
  expect(parsePairs("")).toEqual([])
  for (const text of ["a", "=1", "a=1,b", "a b=1", "a=%"]) expect(parsePairs(text)).toBeNull()
})
