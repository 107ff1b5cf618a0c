import { Either, Option, ParseResult, Schema } from "effect"

/** The placeholder for a missing integration id. */
export const UNNAMED = "?"

export interface UnreadableRow {
  readonly id: string
  readonly detail: string
}

const decodeId = Schema.decodeUnknownOption(Schema.Struct({ integration_id: Schema.String }))

/** Describes the first unreadable column, for example `catch_up: expected "latest" | "all" | "skip", actual "daily"`. */
export const whyUnreadable = (error: ParseResult.ParseError): string => {
  const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
  if (first === undefined) return "a column has a value that no version of the schema allows"
  const { message, path } = first
  return `${path.join(".") || "the row"}: ${message.slice(0, 1).toLowerCase()}${message.slice(1, 300)}`
}

/** Decodes rows one by one, so that one unreadable row does not affect other rows. */
export const readRows = <A>(
  rows: ReadonlyArray<unknown>,
  decode: (row: unknown) => Either.Either<A, ParseResult.ParseError>
): { readonly readable: ReadonlyArray<A>; readonly unreadable: ReadonlyArray<UnreadableRow> } => {
  const readable: Array<A> = []
  const unreadable: Array<UnreadableRow> = []
  for (const row of rows) {
    Either.match(decode(row), {
      onLeft: (error) =>
        unreadable.push({
          id: Option.match(decodeId(row), {
            onNone: () => UNNAMED,
            onSome: (r) => r.integration_id
          }),
          detail: whyUnreadable(error)
        }),
      onRight: (one) => readable.push(one)
    })
  }
  return { readable, unreadable }
}
