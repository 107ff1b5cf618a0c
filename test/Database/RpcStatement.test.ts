import { expect, test } from "bun:test"
import { Effect, Schema } from "effect"
import { type ArgumentType, make } from "../../src/Database/Rpc.ts"
import { decodeRowsOf, statementOf } from "../../src/Database/RpcStatement.ts"

const types: Readonly<Record<string, ArgumentType>> = { p_a: "jsonb", p_b: "uuid[]", p_c: "text" }

test("arguments are sent as text and cast to their declared type; omitted arguments are not named", () => {
  const { text, parameters } = statementOf(
    { name: "f", types },
    { p_c: "x'); drop table y; --", p_a: { n: [1, null] } }
  )
  expect(text).toContain("public.f(p_a => $1::text::jsonb, p_c => $2::text::text)::text")
  expect(parameters).toEqual(['{"n":[1,null]}', "x'); drop table y; --"])
})

test("an unknown argument is not sent", () => {
  const statement = statementOf({ name: "f", types }, { "p_x) from y; --": 1 })
  expect(statement.text).toContain("select public.f()::text")
  expect(statement.parameters).toEqual([])
})

test("arrays are quoted, and null is SQL null", () => {
  const { parameters } = statementOf(
    { name: "f", types },
    { p_a: null, p_b: ['a"b', "c\\d", "e,f", null, "{}"], p_c: "" }
  )
  expect(parameters).toEqual([null, '{"a\\"b","c\\\\d","e,f",NULL,"{}"}', ""])
})

test("unexpected rows are Malformed", () => {
  const rpc = make({
    name: "f",
    readOnly: true,
    types: {},
    args: () => Schema.Struct({}),
    result: () => Schema.String
  })
  const code = (rows: unknown) => Effect.runSync(Effect.flip(decodeRowsOf(rpc, rows))).code
  expect(code([])).toBe("unexpected_answer")
  expect(code([{ answer: 1, length: 1 }])).toBe("unexpected_answer")
  expect(code([{ answer: "{", length: 1 }])).toBe("no_json")
  expect(code([{ answer: null, length: null }])).toBe("no_answer")
  expect(code([{ answer: null, length: 17_000_000 }])).toBe("too_large")
  expect(Effect.runSync(decodeRowsOf(rpc, [{ answer: '"yes"', length: 5 }]))).toBe("yes")
})
