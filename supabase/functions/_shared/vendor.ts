import type { Json } from "./outcome.ts"

/** The accounting API's response, from which the scheduler determines the API's health. */
export interface VendorReport {
  /** The API's host, such as `api.example.com`. */
  readonly host?: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** The API's own error code, such as `BAD_REQUEST.BURST_RATE_LIMIT_REACHED`. */
  readonly code?: string
  /** The part of the body with error codes and wait times. Up to 2,000 characters are forwarded. */
  readonly body?: Json
}

/** Matches headers about quotas and wait times. No others are forwarded. */
const telling = /^(date|retry-after)$|rate-?limit|limit-remaining|quota/i
const maxHeaders = 20
const maxBodyChars = 2_000

/** Returns the `vendor` field of the response, which is small and contains no secrets. */
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
