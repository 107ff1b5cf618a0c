import type { Json } from "./outcome.ts"

/** What the accounting API answered, as far as the scheduler judges its health by it. */
export interface VendorReport {
  /** Where it was: `api.example.com`. */
  readonly host?: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** The API's own error code, such as `BAD_REQUEST.BURST_RATE_LIMIT_REACHED`. */
  readonly code?: string
  /** The body, or the part of it that holds codes and waits; up to 2,000 characters are passed on. */
  readonly body?: Json
}

/** Headers about quotas and waits; no other leaves the function. */
const telling = /^(date|retry-after)$|rate-?limit|limit-remaining|quota/i
const maxHeaders = 20
const maxBodyChars = 2_000

/** The report of a `fetch` answer, or one made by hand, as it goes into the function's answer: small, and without secrets. */
export const toVendorField = (answer: Response | VendorReport, body?: Json): Json => {
  const report: VendorReport =
    answer instanceof Response
      ? {
          status: answer.status,
          headers: Object.fromEntries(answer.headers),
          ...(URL.canParse(answer.url) ? { host: new URL(answer.url).host } : {})
        }
      : answer
  const { code, headers = {}, host, status } = report
  return {
    status,
    headers: Object.fromEntries(
      Object.entries(headers)
        .filter(([name]) => telling.test(name))
        .slice(0, maxHeaders)
    ),
    ...(host === undefined ? {} : { host }),
    ...(code === undefined ? {} : { code }),
    ...bodyField(body ?? report.body)
  }
}

const bodyField = (body: Json | undefined): { readonly body?: Json } => {
  if (body === undefined || body === null) return {}
  const text = typeof body === "string" ? body : JSON.stringify(body)
  return { body: text.length > maxBodyChars ? text.slice(0, maxBodyChars) : body }
}
