import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { createClient } from "@supabase/supabase-js"
import { Effect, Fiber, Layer, Redacted } from "effect"
import * as Rpc from "../../src/Database/Rpc.ts"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { contractSql, echo, nothing, write } from "../contract/contractFunctions.ts"
import { type Caller, callerOf, supabaseContract } from "../contract/SupabaseContract.ts"
import { freePort } from "../support/freePort.ts"
import {
  answerWith,
  badGateway,
  died,
  dropBefore,
  emptyNotFound,
  emptyOk,
  type Fault,
  lostAnswer,
  redirectTo,
  schemaCacheMissing
} from "../support/GatewayFaults.ts"
import { connect, createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { headerOf, http, jsonOf, serveRaw, wrongCertificate } from "../support/RawServer.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"

const startProject = async () => {
  const database = await createDatabase({ sql: contractSql })
  const gateway = await startGateway({ databaseUrl: database.adminUrl })
  const admin = connect(database.adminUrl, { max: 1 })
  return { database, gateway, admin }
}

/** The layer must also accept a client with types from `supabase gen types`. */
interface Database {
  readonly public: {
    Tables: Record<never, never>
    Views: Record<never, never>
    Functions: { theirs: { Args: { a: string }; Returns: number } }
  }
}

const layerFor = (url: string, key: string, timeoutMs?: number) =>
  SupabaseLive.layer({
    url,
    key: Redacted.make(key),
    version: "1.2.3",
    ...(timeoutMs === undefined ? {} : { timeoutMs })
  })

const subject = (keyOf: (gateway: RpcGateway) => string) => async () => {
  const { database, gateway, admin } = await startProject()
  return {
    layer: layerFor(gateway.url, keyOf(gateway)),
    execute: async (sql: string) => {
      const results = await admin.unsafe(sql).simple()
      return Array.isArray(results.at(-1)) ? results.at(-1) : [...results]
    },
    stop: async () => {
      await gateway.close()
      await admin.close()
      await database.drop()
    }
  }
}

supabaseContract(
  "SupabaseLive",
  subject((gateway) => gateway.secretKey)
)
supabaseContract(
  "SupabaseLive with a legacy key",
  subject((gateway) => gateway.legacyServiceKey)
)

describe("SupabaseLive", () => {
  let database: TestDatabase
  let gateway: RpcGateway
  let admin: ReturnType<typeof connect>
  let caller: Caller
  beforeAll(async () => {
    ;({ database, gateway, admin } = await startProject())
    caller = callerOf(layerFor(gateway.url, gateway.secretKey))
  }, 60_000)
  afterAll(async () => {
    await caller.dispose()
    await gateway.close()
    await admin.close()
    await database.drop()
  })

  const notes = async (id: string): Promise<number> =>
    (await admin`select 1 from public.contract_note where id = ${id}`).length
  const failWith = async (fault: Fault, one = caller) => {
    const id = randomUUID()
    const before = gateway.faults.calls("contract_write")
    gateway.faults.once("contract_write", fault)
    const error = await one.fail(write, { p_id: id, p_note: "x" })
    gateway.faults.clear()
    expect(gateway.faults.calls("contract_write") - before).toBe(1)
    return { error, written: await notes(id) }
  }
  const using = async <A>(
    layer: Layer.Layer<Supabase, SupabaseError>,
    body: (one: Caller) => Promise<A>
  ) => {
    const one = callerOf(layer)
    try {
      return await body(one)
    } finally {
      await one.dispose()
    }
  }

  const html = "<html><head><title>502 Bad Gateway</title></head></html>"
  const code = (code: string) => ({ code, message: "no", details: null, hint: null })
  const replica = {
    ...code("0A000"),
    message: "cannot set transaction read-write mode during recovery"
  }
  const faults: ReadonlyArray<readonly [string, Fault, SupabaseError["reason"], string]> = [
    ["a connection cut before the call", dropBefore, "Ambiguous", "no_answer"],
    ["an answer lost after the commit", lostAnswer, "Ambiguous", "no_answer"],
    ["a gateway's page", badGateway, "Ambiguous", "502"],
    ["a gateway's page with 200", { instead: () => new Response(html) }, "Ambiguous", "200"],
    ["an empty 404, which looks like success", emptyNotFound, "Malformed", "404"],
    ["a 404 with an array, which does too", answerWith(404, []), "Malformed", "404"],
    ["an empty 200, which does too", emptyOk, "Malformed", "no_answer"],
    [
      "an empty 204",
      { instead: () => new Response(null, { status: 204 }) },
      "Malformed",
      "no_answer"
    ],
    ["the database being away", schemaCacheMissing, "NotExecuted", "PGRST002"],
    ["a busy pool", answerWith(504, code("PGRST003")), "NotExecuted", "PGRST003"],
    ["no database", answerWith(503, code("PGRST000")), "NotExecuted", "PGRST000"],
    ["a lost database", answerWith(503, code("PGRST001")), "Ambiguous", "PGRST001"],
    // Always ambiguous, because the server process might have died after the commit.
    ["a server process that died during it", died, "Ambiguous", "400"],
    ["a replica", answerWith(400, replica), "NotExecuted", "0A000"],
    ["a role that does not exist", answerWith(401, code("22023")), "Refused", "22023"],
    ["an expired key", answerWith(401, code("PGRST303")), "Refused", "PGRST303"],
    ["a stale schema", answerWith(404, code("PGRST205")), "Missing", "PGRST205"],
    ["too many requests", answerWith(429, { message: "slow down" }), "NotExecuted", "429"],
    ["a paused project", answerWith(540, {}), "NotExecuted", "540"]
  ]
  test.each(faults)("judges the error %s", async (_, fault, reason, code) => {
    const { error, written } = await failWith(fault)
    expect(error).toMatchObject({ operation: "contract_write", reason, code })
    expect(written).toBe(fault === lostAnswer ? 1 : 0)
  })

  test("reports an uncertain read as not executed", async () => {
    gateway.faults.once("contract_write", badGateway)
    const args = { p_id: randomUUID(), p_note: "x" }
    expect(await caller.fail({ ...write, readOnly: true }, args)).toMatchObject({
      reason: "NotExecuted",
      code: "502"
    })
  })

  test("does not follow a redirect, so the key stays private", async () => {
    const thief = await serveRaw((socket) => socket.end(http("200 OK", '{"written":"x"}')))
    const { error } = await failWith(redirectTo(`${thief.url}/rest/v1/rpc/contract_write`))
    expect(error).toMatchObject({ reason: "Malformed", code: "redirected" })
    expect(thief.requests).toEqual([])
    thief.stop()
  })

  test("applies the deadline to the body, and reports Ambiguous", async () => {
    const server = await serveRaw((socket) =>
      socket.write(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
      )
    )
    await using(layerFor(server.url, "sb_secret_x", 1000), async (one) => {
      const error = await one.fail(write, { p_id: randomUUID(), p_note: "x" })
      expect(error).toMatchObject({ reason: "Ambiguous", code: "timeout" })
    })
    await server.closed
    server.stop()
  })

  test("closes the socket when it is interrupted", async () => {
    const server = await serveRaw(() => undefined)
    await Effect.runPromise(
      Effect.gen(function* () {
        const supabase = yield* Supabase
        const fiber = yield* Effect.fork(supabase.call(echo, nothing))
        yield* Effect.promise(() => server.firstRequest)
        yield* Fiber.interrupt(fiber)
        yield* Effect.promise(() => server.closed)
      }).pipe(Effect.provide(layerFor(server.url, "sb_secret_x")))
    )
    server.stop()
  })

  test("reports a truncated response as Ambiguous", async () => {
    const server = await serveRaw((socket) => {
      socket.end("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
    })
    await using(layerFor(server.url, "sb_secret_x"), async (one) => {
      expect(await one.fail(echo, nothing)).toMatchObject({ reason: "Ambiguous" })
    })
    server.stop()
  })

  test("executes nothing without a server, with an unknown host or with another server's certificate", async () => {
    const impostor = await serveRaw(() => undefined, wrongCertificate)
    const places = [
      `http://127.0.0.1:${await freePort()}`,
      "http://no-such-host.invalid",
      impostor.url
    ]
    for (const url of places) {
      await using(layerFor(url, "sb_secret_x"), async (one) => {
        expect(await one.fail(write, { p_id: randomUUID(), p_note: "x" })).toMatchObject({
          reason: "NotExecuted",
          code: "not_sent"
        })
      })
    }
    impostor.stop()
  })

  test("sends a secret key in apikey only and a JWT also as Bearer, and names itself", async () => {
    const server = await serveRaw((socket) =>
      socket.end(http("200 OK", '{"written":"x"}', { "content-type": "application/json" }))
    )
    for (const key of [gateway.secretKey, gateway.legacyServiceKey]) {
      await using(layerFor(server.url, key), (one) =>
        one.call(write, { p_id: randomUUID(), p_note: "x", p_raise: undefined })
      )
    }
    const [secret = "", legacy = ""] = server.requests
    expect(headerOf(secret, "apikey")).toBe(gateway.secretKey)
    expect(headerOf(secret, "authorization")).toBeUndefined()
    expect(headerOf(legacy, "apikey")).toBe(gateway.legacyServiceKey)
    expect(headerOf(legacy, "authorization")).toBe(`Bearer ${gateway.legacyServiceKey}`)
    expect(headerOf(secret, "user-agent")).toBe("sync-scheduler/1.2.3")
    expect(Object.keys(Object(jsonOf(secret)))).toEqual(["p_id", "p_note"])
    server.stop()
  })

  test("reports keys without permission as Refused; the error names the kind, not the key", async () => {
    const keys = [
      [gateway.anonKey, "the anon key"],
      [gateway.publishableKey, "a publishable key"],
      ["sb_secret_unknown", "not valid"],
      [gateway.sign({ role: "service_role", exp: 1 }), "expired"]
    ] as const
    for (const [key, words] of keys) {
      await using(layerFor(gateway.url, key), async (one) => {
        const error = await one.fail(Rpc.readDue, { p_limit: 1 })
        expect(error.reason).toBe("Refused")
        expect(error.detail).toContain(words)
        expect(error.message).not.toContain(key)
      })
    }
  })

  test("rejects an unusable URL or key at startup", async () => {
    for (const [url, key] of [
      ["ftp://x", "sb_secret_x"],
      ["https://x.supabase.co", ""]
    ] as const) {
      const error = await Effect.runPromise(
        Effect.scoped(Effect.flip(Layer.build(layerFor(url, key))))
      )
      expect(error).toMatchObject({ reason: "Rejected", code: "configuration" })
    }
  })

  describe("SupabaseLive over the project's own client", () => {
    const over = <A>(client: SupabaseLive.RpcClient, body: (one: Caller) => Promise<A>) =>
      using(SupabaseLive.fromClient(client), body)
    const args = () => ({ p_id: randomUUID(), p_note: "x" })

    test("works with a plain client, but more failures are ambiguous", async () => {
      await over(createClient<Database>(gateway.url, gateway.legacyServiceKey), async (one) => {
        expect((await one.call(echo, { ...nothing, p_int: 4 })).int).toBe(4)
        expect((await failWith(lostAnswer, one)).error.reason).toBe("Ambiguous")
        expect((await failWith(badGateway, one)).error.reason).toBe("Ambiguous")
        expect((await failWith(emptyNotFound, one)).error.reason).toBe("Malformed")
        expect((await failWith(emptyOk, one)).error.reason).toBe("Malformed")
      })
      const nowhere = createClient(`http://127.0.0.1:${await freePort()}`, "x")
      await over(nowhere, async (one) => {
        expect(await one.fail(write, args())).toMatchObject({
          reason: "NotExecuted",
          code: "not_sent"
        })
      })
    })

    test("requires only the rpc method of a mock", async () => {
      const calls: Array<readonly [string, unknown]> = []
      const client = {
        rpc: async (name: string, given: unknown) => {
          calls.push([name, given])
          return { data: { written: "here" }, error: null }
        }
      }
      const given = args()
      await over(client, async (one) => {
        expect(await one.call(write, given)).toEqual({ written: "here" })
      })
      expect(calls).toEqual([["contract_write", given]])
    })

    test.each([
      ["an error with a code", { data: null, error: { code: "42883", message: "no" } }, "Missing"],
      ["an error without anything", { data: null, error: {} }, "Ambiguous"],
      ["an error that is text", { data: null, error: "no" }, "Ambiguous"],
      ["no error and no data", { data: null, error: null, status: 204 }, "Malformed"],
      ["data of another shape", { data: { other: 1 }, error: null }, "Malformed"],
      ["nothing at all", undefined, "Malformed"]
    ] as const)("handles a client that returns %s", async (_, answered, reason) => {
      await over({ rpc: () => Promise.resolve(answered) }, async (one) => {
        expect((await one.fail(write, args())).reason).toBe(reason)
      })
    })

    test("judges a client's exception", async () => {
      const thrown = async (error: unknown) =>
        over({ rpc: () => Promise.reject(error) }, (one) => one.fail(write, args()))
      const rejected = Object.assign(new Error("duplicate"), { code: "23505" })
      expect(await thrown(rejected)).toMatchObject({ reason: "Rejected", code: "23505" })
      expect((await thrown(new TypeError("boom"))).reason).toBe("Ambiguous")
      expect((await thrown("boom")).reason).toBe("Ambiguous")
      const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
      expect(await thrown(broken)).toMatchObject({ reason: "Ambiguous", code: "no_answer" })
      const refused = Object.assign(new TypeError("fetch failed"), { code: "ECONNREFUSED" })
      expect(await thrown(refused)).toMatchObject({ reason: "NotExecuted", code: "not_sent" })
    })

    test("limits the wait for a client that never responds", async () => {
      const layer = SupabaseLive.fromClient(
        { rpc: () => new Promise(() => undefined) },
        { timeoutMs: 50 }
      )
      await using(layer, async (one) => {
        expect(await one.fail(write, args())).toMatchObject({
          reason: "Ambiguous",
          code: "timeout"
        })
      })
    })
  })
})
