import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { Effect, type Layer, ManagedRuntime } from "effect"
import type { Rpc } from "../../src/Database/Rpc.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import { tickError } from "../../src/Engine/SummaryBuilder.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { answer, echo, missing, nothing, write } from "./contractFunctions.ts"
import { claimHundred, tickOnce } from "./enginePath.ts"

/** An implementation under test. All migrations and `contractSql` have been applied to its database. */
export interface Subject {
  readonly layer: Layer.Layer<Supabase, SupabaseError>
  /** Runs SQL as the superuser. Returns the last statement's rows. */
  readonly execute: (sql: string) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  readonly stop: () => Promise<void>
}

export interface Caller {
  readonly call: <A, R>(rpc: Rpc<A, R>, args: A) => Promise<R>
  readonly fail: <A, R>(rpc: Rpc<A, R>, args: A) => Promise<SupabaseError>
  readonly dispose: () => Promise<void>
}

export const callerOf = (layer: Layer.Layer<Supabase, SupabaseError>): Caller => {
  const runtime = ManagedRuntime.make(layer)
  const effectOf = <A, R>(rpc: Rpc<A, R>, args: A) =>
    Effect.flatMap(Supabase, (supabase) => supabase.call(rpc, args))
  return {
    call: (rpc, args) => runtime.runPromise(effectOf(rpc, args)),
    fail: (rpc, args) => runtime.runPromise(Effect.flip(effectOf(rpc, args))),
    dispose: () => runtime.dispose()
  }
}

const json: ReadonlyArray<readonly [string, unknown]> = [
  ["nesting", { a: [{ b: { c: [[], {}, [null]] } }] }],
  ["unicode", { "ключ 🔑": "Blåbærsyltetøy 漢字 \u{1F4A9} \u200f" }],
  ["quotes", ["'", '"', "\\", "''; drop table x; --", "$1", "\n\t", "{}", "NULL"]],
  ["a string", "text"],
  ["a string like JSON", '{"a": 1}'],
  ["numbers", [0, -1, 1.5, 1e21, Number.MAX_SAFE_INTEGER]],
  ["big numbers as text", { big: "9007199254740993", cents: "12345678901234567890.12" }],
  ["booleans and nulls", { yes: true, no: false, none: null }],
  ["an empty array", []],
  ["backslash u0000", "\\u0000"]
]

const reasons: ReadonlyArray<readonly [code: string, reason: SupabaseError["reason"]]> = [
  ["P0001", "Rejected"],
  ["22023", "Rejected"],
  ["PT409", "Rejected"],
  ["55P03", "NotExecuted"],
  ["57014", "NotExecuted"],
  ["40P01", "NotExecuted"],
  ["53300", "NotExecuted"],
  ["42501", "Refused"],
  ["3F000", "Missing"],
  ["42P01", "Missing"],
  ["08006", "Ambiguous"],
  ["57P01", "Ambiguous"]
]

/** PostgREST before version 16 retries a call with this error forever, so the project's functions must never raise it. */
export const serialization: typeof reasons = [["40001", "NotExecuted"]]

/** `more` lists errors that only this implementation returns. */
export const supabaseContract = (
  name: string,
  start: () => Promise<Subject>,
  more: typeof reasons = []
): void =>
  describe(`${name} keeps the contract`, () => {
    let subject: Subject
    let caller: Caller
    beforeAll(async () => {
      subject = await start()
      caller = callerOf(subject.layer)
    }, 60_000)
    afterAll(async () => {
      await caller?.dispose()
      await subject?.stop()
    })
    const notes = async (id: string) =>
      (await subject.execute(`select note from public.contract_note where id = '${id}'`)).length

    test("arguments of every type are sent as declared, and the response is decoded", async () => {
      const ids = [randomUUID(), randomUUID()]
      expect(
        await caller.call(echo, {
          p_uuid: ids[0] ?? "",
          p_ids: ids,
          p_text: 'it\'s "quoted" \\ {1,2}',
          p_json: { a: 1 },
          p_int: -5,
          p_big: Number.MAX_SAFE_INTEGER,
          p_num: 0.1
        })
      ).toEqual({
        uuid: ids[0] ?? "",
        ids,
        text: 'it\'s "quoted" \\ {1,2}',
        json: { a: 1 },
        json_type: "object",
        int: -5,
        big: "9007199254740991",
        num: "0.1"
      })
    })

    test.each(json)("jsonb is unchanged: %s", async (_, value) => {
      expect((await caller.call(echo, { ...nothing, p_json: value })).json).toEqual(value)
    })

    test("characters that PostgreSQL cannot store are replaced", async () => {
      const echoed = await caller.call(echo, {
        ...nothing,
        p_text: "a\u0000b\ud800c",
        p_json: { x: "a\u0000b", y: ["\udc00"] }
      })
      expect(echoed).toMatchObject({
        text: "a\ufffdb\ufffdc",
        json: { x: "a\ufffdb", y: ["\ufffd"] }
      })
    })

    test("null is SQL null, and an omitted argument has the function's default", async () => {
      const empty = { uuid: null, ids: null, text: null, json: null, int: null, big: null }
      expect(await caller.call(echo, nothing)).toEqual({ ...empty, json_type: null, num: "7" })
      expect((await caller.call(echo, { ...nothing, p_num: undefined })).num).toBe("7")
      expect((await caller.call(echo, { ...nothing, p_num: null })).num).toBeNull()
      expect((await caller.call(echo, { ...nothing, p_ids: [] })).ids).toEqual([])
    })

    test("arguments that the contract forbids are not sent", async () => {
      const error = await caller.fail(echo, { ...nothing, p_uuid: "no uuid" })
      expect(error).toMatchObject({ reason: "Rejected", code: "invalid_argument" })
      expect(error.detail).toContain("p_uuid")
    })

    test("a call that has a response is committed", async () => {
      const id = randomUUID()
      expect(await caller.call(write, { p_id: id, p_note: "kept" })).toEqual({ written: id })
      expect(await notes(id)).toBe(1)
    })

    test.each([...reasons, ...more])(
      "an error %s is %s, has a reason, and leaves nothing behind",
      async (code, reason) => {
        const id = randomUUID()
        const error = await caller.fail(write, { p_id: id, p_note: "lost", p_raise: code })
        expect(error).toMatchObject({ operation: "contract_write", reason, code })
        expect(error.detail).toContain("raised on purpose. a detail. a hint")
        expect(await notes(id)).toBe(0)
      }
    )

    test("an uncertain call of a read-only function is not executed", async () => {
      const args = { p_id: randomUUID(), p_note: "x", p_raise: "08006" }
      expect(await caller.fail({ ...write, readOnly: true }, args)).toMatchObject({
        reason: "NotExecuted",
        code: "08006"
      })
    })

    test("a constraint violation is the call's own fault, and the row is not printed", async () => {
      const error = await caller.fail(write, { p_id: randomUUID(), p_note: "bad" })
      expect(error).toMatchObject({ reason: "Rejected", code: "23514" })
      expect(error.detail).toContain("contract_note_note_check")
      expect(error.detail).not.toContain("Failing row")
    })

    test("a missing function is Missing, and its summary has the fix", async () => {
      const error = await caller.fail(missing, { p_kind: "x" })
      expect(error).toMatchObject({ reason: "Missing", operation: "contract_missing" })
      expect(error.detail).toContain("contract_missing")
      expect(tickError(error).hint).toContain("sync-scheduler schema print | psql")
    })

    test.each([
      ["null", "empty"],
      ["wrong", "at written: Expected string"],
      ["scalar", "this version cannot read the answer"],
      ["big", "16777216"]
    ])("a response that is %s is Malformed", async (kind, text) => {
      const error = await caller.fail(answer, { p_kind: kind })
      expect(error.reason).toBe("Malformed")
      expect(error.detail).toContain(text)
      expect(error.detail).not.toContain("tell nobody")
    })

    test("each of many concurrent calls gets its own response", async () => {
      const numbers = Array.from({ length: 40 }, (_, i) => i)
      const echoed = await Promise.all(
        numbers.map((p_int) => caller.call(echo, { ...nothing, p_int }))
      )
      expect(echoed.map((one) => one.int)).toEqual(numbers)
    })

    test("a tick runs through: open, claim, start, settle, finish", () => tickOnce(subject, caller))

    test("a hundred slots are claimed in one call", () => claimHundred(subject, caller))
  })
