import { Effect, Option, Schema } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { ArgumentType, Rpc } from "./Rpc.ts"
import { callError, decodeAnswer, MAX_ANSWER_BYTES, type RpcArguments } from "./RpcCall.ts"

/** A SQL statement and its parameters. All parameters are text. */
export interface RpcStatement {
  readonly text: string
  readonly parameters: ReadonlyArray<string | null>
}

/**
 * Writes the call of a SQL function as one statement, for transports that connect to PostgreSQL directly. Arguments are sent as
 * text. The server casts each argument to the type that the SQL function declares, so that no driver's type mapping applies. If the
 * answer is longer than the limit, the server does not send it: `answer` is null, and `length` is its length.
 */
export const statementOf = (
  rpc: {
    readonly name: string
    readonly types: Readonly<Record<string, ArgumentType>>
    readonly body?: string | undefined
  },
  args: RpcArguments
): RpcStatement => {
  const given = Object.entries(rpc.types).filter(([name]) => args[name] !== undefined)
  const call = given.map(([name, type], i) => `${name} => $${i + 1}::text::${type}`).join(", ")
  const columns = given.map(([name, type], i) => `$${i + 1}::text::${type} as ${name}`).join(", ")
  const expression =
    rpc.body === undefined
      ? `select public.${rpc.name}(${call})::text as answer`
      : `select (${rpc.body})::text as answer from (select ${columns}) given`
  return {
    text: `with call as materialized (${expression})
select case when octet_length(answer) <= ${MAX_ANSWER_BYTES} then answer end as answer,
       octet_length(answer) as length
  from call`,
    parameters: given.map(([name, type]) => literal(type, args[name]))
  }
}

const literal = (type: ArgumentType, value: unknown): string | null => {
  if (value === null) return null
  if (type === "jsonb") return JSON.stringify(value)
  return Array.isArray(value) ? `{${value.map(element).join(",")}}` : String(value)
}

const element = (value: unknown): string =>
  value === null ? "NULL" : `"${String(value).replaceAll(/[\\"]/g, "\\$&")}"`

/** The result of the statement: one row with the answer as JSON text and the length of this text in bytes. */
const Rows = Schema.Tuple(
  Schema.Struct({ answer: Schema.NullOr(Schema.String), length: Schema.NullOr(Schema.Number) })
)
const decodeRows = Schema.decodeUnknownOption(Rows)
const decodeJson = Schema.decodeOption(Schema.parseJson())

/** Decodes the answer from the rows. *Fails with* SupabaseError (`Malformed`). */
export const decodeRowsOf = <A, AI, R, RI>(
  rpc: Rpc<A, AI, R, RI>,
  rows: unknown
): Effect.Effect<R, SupabaseError> => {
  const malformed = (code: string, detail: string) =>
    Effect.fail(callError(rpc, "Malformed", code, detail))
  const decoded = decodeRows(rows)
  if (Option.isNone(decoded))
    return malformed("unexpected_answer", "the statement did not return exactly one row")
  const [{ answer, length }] = decoded.value
  if (answer === null) {
    return length === null
      ? decodeAnswer(rpc, null)
      : malformed("too_large", `the answer has ${length} bytes; the limit is ${MAX_ANSWER_BYTES}`)
  }
  return Option.match(decodeJson(answer), {
    onNone: () => malformed("no_json", "the answer is not JSON"),
    onSome: (json) => decodeAnswer(rpc, json)
  })
}
