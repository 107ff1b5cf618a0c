import { Schema } from "effect"
import { type AnswerBody, fieldOf } from "./AnswerBody.ts"
import { codesIn, type VendorAnswer } from "./Provider.ts"

/** The most headers of a report that are read. */
const MAX_HEADERS = 50

const Report = Schema.Struct({
  host: Schema.optional(Schema.String),
  status: Schema.Int.pipe(Schema.between(100, 599)),
  headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown })),
  code: Schema.optional(Schema.NullOr(Schema.String)),
  body: Schema.optional(Schema.Unknown)
})
const decode = Schema.decodeUnknownOption(Report)

/** What a function says its accounting API answered. `host` null: it did not say where. */
export interface VendorReport extends VendorAnswer {
  readonly host: string | null
}

/**
 * Reads the `vendor` field of a function's answer: `{host?, status, headers?, code?, body?}`. Null when there is none that can be
 * read: it is a courtesy of the function, never a reason to doubt its answer.
 * *Source*: supabase/functions/README.md, "What the accounting API said".
 */
export const readVendorReport = (answer: AnswerBody): VendorReport | null => {
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
