import { Effect, Either, Predicate } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { ArgumentType, Rpc } from "./Rpc.ts"
import { callError, decodeAnswer, MAX_ANSWER_BYTES, type RpcArguments } from "./RpcCall.ts"

export interface RpcStatement {
  readonly text: string
  readonly parameters: ReadonlyArray<string | null>
}

/**
 * Sends arguments as text, which the server casts to the declared types, so that no driver's type mapping applies. If the answer
 * is too long, the server returns only its length.
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

/** Returns null unless the result is a single row. `length` is in bytes. */
const readRow = (
  rows: unknown
): { readonly answer: string | null; readonly length: number | null } | null => {
  const row: unknown = Array.isArray(rows) && rows.length === 1 ? rows[0] : null
  if (!Predicate.isRecord(row)) return null
  const { answer, length } = row
  return (answer === null || typeof answer === "string") &&
    (length === null || typeof length === "number")
    ? { answer, length }
    : null
}

export const decodeRowsOf = <A, R>(
  rpc: Rpc<A, R>,
  rows: unknown
): Effect.Effect<R, SupabaseError> => {
  const malformed = (code: string, detail: string) =>
    Effect.fail(callError(rpc, "Malformed", code, detail))
  const row = readRow(rows)
  if (row === null)
    return malformed("unexpected_answer", "the statement did not return exactly one row")
  const { answer, length } = row
  if (answer === null) {
    return length === null
      ? decodeAnswer(rpc, null)
      : malformed(
          "too_large",
          `the answer is ${length} bytes long; the limit is ${MAX_ANSWER_BYTES}`
        )
  }
  return Either.match(
    Either.try((): unknown => JSON.parse(answer)),
    {
      onLeft: () => malformed("no_json", "the answer is not JSON"),
      onRight: (json) => decodeAnswer(rpc, json)
    }
  )
}
