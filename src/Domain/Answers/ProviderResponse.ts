import { Schema } from "effect"
import { codesIn, type VendorAnswer } from "../Health/Provider.ts"
import { type AnswerBody, fieldOf } from "./AnswerBody.ts"

const MAX_HEADERS = 50

const Report = Schema.Struct({
  host: Schema.optional(Schema.String),
  status: Schema.Int.pipe(Schema.between(100, 599)),
  headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown })),
  code: Schema.optional(Schema.NullOr(Schema.String)),
  body: Schema.optional(Schema.Unknown)
})
const decode = Schema.decodeUnknownOption(Report)

/** The accounting API's response, as reported by the function. `host` is null if not reported. */
export interface ProviderResponse extends VendorAnswer {
  readonly host: string | null
}

/**
 * Reads the `vendor` field. Ignores an unreadable field, so that a bad report cannot affect the run's outcome.
 * *Source*: supabase/functions/README.md, "Reporting the accounting API's response".
 */
export const readProviderResponse = (answer: AnswerBody): ProviderResponse | null => {
  const field = fieldOf(answer, "vendor")
  if (field === undefined) return null
  const report = decode(field)
  if (report._tag === "None") return null
  const { body, code, headers = {}, host, status } = report.value
  const known = new Map(
    Object.entries(headers)
      .slice(0, MAX_HEADERS)
      .map(([name, value]) => [name.toLowerCase(), String(value)])
  )
  return {
    host:
      host === undefined || !/^[a-z0-9.-]{1,253}(:\d{1,5})?$/i.test(host)
        ? null
        : host.toLowerCase(),
    status,
    headers: { get: (name) => known.get(name) ?? null },
    codes: [...(code === undefined || code === null ? [] : [code]), ...codesIn(body)],
    text: typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body)
  }
}
