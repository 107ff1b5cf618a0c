import { gunzipSync } from "node:zlib"
import { type HttpServer, serveHttp } from "./HttpServer.ts"

type Value = {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
}
type Attributes = ReadonlyArray<{ readonly key: string; readonly value: Value }>

export interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly status: { readonly code: number; readonly message?: string }
  readonly events: ReadonlyArray<unknown>
}

export interface OtlpReceiver extends HttpServer {
  readonly requests: ReadonlyArray<{
    readonly path: string
    readonly headers: Headers
    readonly text: string
  }>
  readonly spans: () => ReadonlyArray<Span>
  readonly metrics: () => ReadonlyArray<string>
  readonly logs: () => ReadonlyArray<string>
  readonly resources: () => ReadonlyArray<Readonly<Record<string, unknown>>>
}

const plain = (attributes: Attributes): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ??
        value.doubleValue ??
        (value.intValue === undefined ? value : Number(value.intValue))
    ])
  )

export const startOtlpReceiver = async (
  answer: () => Response = () => Response.json({})
): Promise<OtlpReceiver> => {
  const requests: Array<OtlpReceiver["requests"][number]> = []
  const server = await serveHttp(async (request) => {
    const body = new Uint8Array(await request.arrayBuffer())
    const isPacked = request.headers.get("content-encoding") === "gzip"
    const text = new TextDecoder().decode(isPacked ? gunzipSync(body) : body)
    requests.push({ path: new URL(request.url).pathname, headers: request.headers, text })
    return answer()
  })
  const bodies = (path: string) =>
    requests.filter((request) => request.path.endsWith(path)).map(({ text }) => JSON.parse(text))
  return {
    ...server,
    requests,
    spans: () =>
      bodies("/v1/traces").flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(
          (resource: {
            scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Span & { attributes: Attributes }> }>
          }) =>
            resource.scopeSpans.flatMap(({ spans }) =>
              spans.map((span) => ({ ...span, attributes: plain(span.attributes) }))
            )
        )
      ),
    metrics: () =>
      bodies("/v1/metrics").flatMap(({ resourceMetrics }) =>
        resourceMetrics.flatMap(
          (resource: {
            scopeMetrics: ReadonlyArray<{ metrics: ReadonlyArray<{ name: string }> }>
          }) => resource.scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name }) => name))
        )
      ),
    logs: () =>
      bodies("/v1/logs").flatMap(({ resourceLogs }) =>
        resourceLogs.flatMap(
          (resource: {
            scopeLogs: ReadonlyArray<{ logRecords: ReadonlyArray<{ body: Value }> }>
          }) =>
            resource.scopeLogs.flatMap(({ logRecords }) =>
              logRecords.map(({ body }) => String(body.stringValue))
            )
        )
      ),
    resources: () =>
      bodies("/v1/traces").flatMap(({ resourceSpans }) =>
        resourceSpans.map(({ resource }: { resource: { attributes: Attributes } }) =>
          plain(resource.attributes)
        )
      )
  }
}
