import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { make } from "../../src/Database/Rpc.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { contractSql, echo, nothing, write } from "../contract/contractFunctions.ts"
import {
  type Caller,
  callerOf,
  serialization,
  supabaseContract
} from "../contract/SupabaseContract.ts"
import { freePort } from "../support/freePort.ts"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  startPostgres,
  type TestDatabase
} from "../support/Postgres.ts"
import { serveRaw, wrongCertificate } from "../support/RawServer.ts"
import { startProxy, type TcpProxy } from "../support/TcpProxy.ts"

const certificates = join(import.meta.dir, "../support/certificates")
const authority = join(certificates, "authority.pem")
const localhost = {
  key: readFileSync(join(certificates, "localhost.key.pem"), "utf8"),
  cert: readFileSync(join(certificates, "localhost.pem"), "utf8")
}

supabaseContract(
  "PostgresLive",
  async () => {
    const database = await createDatabase({ sql: contractSql })
    const admin = connect(database.adminUrl, { max: 1 })
    return {
      layer: PostgresLive.layer({ url: Redacted.make(database.url) }),
      execute: async (sql) => {
        const results = await admin.unsafe(sql).simple()
        return Array.isArray(results.at(-1)) ? results.at(-1) : [...results]
      },
      stop: async () => {
        await admin.close()
        await database.drop()
      }
    }
  },
  serialization
)

/** The function writes a note, then blocks while a session holds the advisory lock `gate`. */
const waitSql = `${contractSql}
create function public.contract_wait(p_id uuid, p_gate bigint) returns jsonb language plpgsql as $$
begin
  insert into public.contract_note values (p_id, 'waited');
  perform pg_advisory_xact_lock(p_gate);
  return jsonb_build_object('written', p_id);
end $$;
create function public.contract_who() returns jsonb language sql as $$ select to_jsonb(pg_backend_pid()) from pg_sleep(0.2) $$;
create function public.contract_also() returns jsonb language sql as $$ select to_jsonb(pg_backend_pid()) from pg_sleep(0.2) $$;
create function public.contract_whoami() returns jsonb language sql as $$
  select jsonb_build_object('name', current_setting('application_name'), 'pid', pg_backend_pid(),
    'named', (select count(*) from pg_prepared_statements))
$$;`

const wait = make({
  ...write,
  name: "contract_wait",
  types: { p_id: "uuid", p_gate: "bigint" },
  args: () => Schema.Struct({ p_id: Schema.UUID, p_gate: Schema.Int }),
  result: () => write.result
})

const whoami = make({
  name: "contract_whoami",
  readOnly: true,
  types: {},
  args: () => Schema.Struct({}),
  result: () => Schema.Struct({ name: Schema.String, pid: Schema.Number, named: Schema.Number })
})

const pidOf = (name: string) =>
  make({
    name,
    readOnly: true,
    types: {},
    args: () => Schema.Struct({}),
    result: () => Schema.Number
  })

describe("PostgresLive", () => {
  let database: TestDatabase
  let admin: ReturnType<typeof connect>
  beforeAll(async () => {
    database = await createDatabase({ sql: waitSql })
    admin = connect(database.adminUrl, { max: 1 })
  }, 60_000)
  afterAll(async () => {
    await admin.close()
    await database.drop()
  })

  const using = async <A>(
    settings: Partial<PostgresLive.PostgresSettings> & { readonly to?: string },
    body: (caller: Caller) => Promise<A>
  ): Promise<A> => {
    const url = Redacted.make(settings.to ?? database.url)
    const caller = callerOf(PostgresLive.layer({ url, ...settings }))
    try {
      return await body(caller)
    } finally {
      await caller.dispose()
    }
  }
  const failure = (to: string, settings: Partial<PostgresLive.PostgresSettings> = {}) =>
    using({ to, ...settings }, (caller) => caller.fail(echo, nothing))
  const through = (port: number, change: (url: URL) => void = () => undefined) => {
    const url = new URL(database.url)
    url.port = String(port)
    change(url)
    return url.href
  }
  /** Takes the lock that blocks `contract_wait`. `waiting` resolves once a call is blocked. `open` releases the lock. */
  const gate = async () => {
    const key = Math.trunc(Math.random() * 1e9)
    await admin`select pg_advisory_lock(${key})`
    const backend = async (): Promise<number> => {
      for (;;) {
        const rows: ReadonlyArray<{ pid: number }> = await admin`
          select pid from pg_locks where locktype = 'advisory' and objid = ${key} and not granted`
        if (rows[0] !== undefined) return rows[0].pid
      }
    }
    return { key, waiting: backend, open: () => admin`select pg_advisory_unlock(${key})` }
  }
  const notes = async (id: string): Promise<number> =>
    (await admin`select 1 from public.contract_note where id = ${id}`).length

  test("a function's calls use the same connection if they can, because it has planned the function", () =>
    using({}, async (caller) => {
      const pid = (name: string) => caller.call(pidOf(name), {})
      const [first, second] = await Promise.all([pid("contract_who"), pid("contract_also")])
      expect(first).not.toBe(second)
      for (const [name, expected] of [
        ["contract_who", first],
        ["contract_also", second],
        ["contract_also", second],
        ["contract_who", first]
      ] as const) {
        expect(await pid(name)).toBe(expected)
      }
    }))

  test("names its application, keeps no named statement, and opens at most the given number of connections", () =>
    using({ connections: 2 }, async (caller) => {
      const all = await Promise.all(Array.from({ length: 12 }, () => caller.call(whoami, {})))
      expect(new Set(all.map((one) => one.pid)).size).toBeLessThanOrEqual(2)
      expect(all.every((one) => one.name === "sync-scheduler" && one.named === 0)).toBe(true)
    }))

  test("reports Ambiguous when a backend is killed during a call, and reconnects for the next call", () =>
    using({}, async (caller) => {
      const { key, waiting, open } = await gate()
      const id = randomUUID()
      const failed = caller.fail(wait, { p_id: id, p_gate: key })
      await admin`select pg_terminate_backend(${await waiting()})`
      expect(await failed).toMatchObject({ reason: "Ambiguous", code: "57P01" })
      await open()
      expect(await notes(id)).toBe(0)
      expect((await caller.call(echo, { ...nothing, p_int: 1 })).int).toBe(1)
    }))

  test("reports Ambiguous when a connection is cut after the commit", async () => {
    const proxy = await startProxy(Number(new URL(database.url).port))
    await using({ to: through(proxy.port) }, async (caller) => {
      const { key, waiting, open } = await gate()
      const id = randomUUID()
      const failed = caller.fail(wait, { p_id: id, p_gate: key })
      await waiting()
      proxy.freeze()
      await open()
      while ((await notes(id)) === 0);
      proxy.cut()
      expect(await failed).toMatchObject({ reason: "Ambiguous" })
      proxy.thaw()
      expect((await caller.call(echo, { ...nothing, p_int: 2 })).int).toBe(2)
    })
    proxy.stop()
  })

  test("cancels the statement at the deadline, and the server's response decides the outcome", () =>
    using({ connections: 1, timeoutMs: 1000 }, async (caller) => {
      // Connects first, so that the deadline expires during the statement even on a slow machine.
      await caller.call(echo, nothing)
      const { key, open } = await gate()
      const id = randomUUID()
      const error = await caller.fail(wait, { p_id: id, p_gate: key })
      expect(error).toMatchObject({ reason: "NotExecuted", code: "57014" })
      expect(error.detail).toContain("the server did not answer in time")
      await open()
      expect(await notes(id)).toBe(0)
    }))

  test("loses only one call when a server falls silent", async () => {
    const proxy = await startProxy(Number(new URL(database.url).port))
    await using({ to: through(proxy.port), connections: 1, timeoutMs: 2000 }, async (caller) => {
      expect((await caller.call(echo, { ...nothing, p_int: 1 })).int).toBe(1)
      proxy.freeze()
      expect(await caller.fail(echo, nothing)).toMatchObject({
        reason: "Ambiguous",
        code: "timeout"
      })
      proxy.thaw()
      expect((await caller.call(echo, { ...nothing, p_int: 3 })).int).toBe(3)
    })
    proxy.stop()
  }, 20_000)

  test("loses one call in total when several connections were silently dropped", async () => {
    const proxy = await startProxy(Number(new URL(database.url).port))
    await using({ to: through(proxy.port), timeoutMs: 1500 }, async (caller) => {
      const four = () => Promise.all(Array.from({ length: 4 }, () => caller.call(whoami, {})))
      expect(new Set((await four()).map(({ pid }) => pid)).size).toBe(4)
      proxy.freezeExisting()
      expect(await caller.fail(echo, nothing)).toMatchObject({
        reason: "Ambiguous",
        code: "timeout"
      })
      const began = performance.now()
      expect(new Set((await four()).map(({ pid }) => pid)).size).toBe(4)
      expect(performance.now() - began).toBeLessThan(1500)
    })
    proxy.stop()
  }, 20_000)

  test("cancels the statement on the server when it is interrupted", async () => {
    const { key, waiting, open } = await gate()
    const id = randomUUID()
    await Effect.runPromise(
      Effect.gen(function* () {
        const supabase = yield* Supabase
        const fiber = yield* Effect.fork(supabase.call(wait, { p_id: id, p_gate: key }))
        yield* Effect.promise(waiting)
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(PostgresLive.layer({ url: Redacted.make(database.url) })))
    )
    const left = await admin`
      select 1 from pg_locks where locktype = 'advisory' and objid = ${key} and not granted`
    expect(left.length).toBe(0)
    await open()
    expect(await notes(id)).toBe(0)
  })

  test("executes nothing when every connection is in use for too long", () =>
    using({ connections: 1, timeoutMs: 1000 }, async (caller) => {
      const { key, open } = await gate()
      const [first, second] = await Promise.all([
        caller.fail(wait, { p_id: randomUUID(), p_gate: key }),
        caller.fail(wait, { p_id: randomUUID(), p_gate: key })
      ])
      expect([first.reason, second.reason]).toEqual(["NotExecuted", "NotExecuted"])
      await open()
    }))

  test("executes nothing without a server or when the name does not resolve", async () => {
    const refused = await failure(through(await freePort()))
    expect(refused).toMatchObject({ reason: "NotExecuted" })
    expect(refused.detail).toContain("could not connect to 127.0.0.1:")
    const unnamed = through(5432, (url) => {
      url.hostname = "no-such-host.invalid"
      url.search = "?sslmode=disable"
    })
    expect(await failure(unnamed)).toMatchObject({ reason: "NotExecuted" })
  })

  test("executes nothing when the server sends no greeting or is not PostgreSQL", async () => {
    const silent = await serveRaw(() => undefined)
    const to = through(silent.port, (url) => {
      url.search = "?connect_timeout=1"
    })
    expect(await failure(to)).toMatchObject({ reason: "NotExecuted" })
    silent.stop()
  }, 20_000)

  test("reports an unknown database as Missing and an unknown user as Refused, without the password", async () => {
    const noDatabase = await failure(
      through(Number(new URL(database.url).port), (url) => {
        url.pathname = "/nowhere"
        url.password = "hush-hush"
      })
    )
    expect(noDatabase).toMatchObject({ reason: "Missing", code: "3D000" })
    expect(noDatabase.detail).not.toContain("hush-hush")
    const nobody = await failure(
      through(Number(new URL(database.url).port), (url) => {
        url.username = "nobody_here"
      })
    )
    expect(nobody).toMatchObject({ reason: "Refused", code: "28000" })
  })

  test("ignores the environment variables of other tools", async () => {
    const foreign = { PGDATABASE: "elsewhere", PGHOST: "elsewhere", PGSSLMODE: "verify-full" }
    const before = Object.keys(foreign).map((name) => [name, process.env[name]] as const)
    Object.assign(process.env, foreign)
    try {
      expect((await using({}, (caller) => caller.call(echo, nothing))).num).toBe("7")
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
  })

  test("rejects an unusable URL without printing it", async () => {
    const url = Redacted.make("mysql://root:hush-hush@db/x")
    const error = await Effect.runPromise(
      Effect.scoped(Effect.flip(Layer.build(PostgresLive.layer({ url }))))
    )
    expect(error).toMatchObject({ reason: "Rejected", code: "configuration" })
    expect(error.message).not.toContain("hush-hush")
  })

  describe("TLS, by sslmode", () => {
    let proxy: TcpProxy
    const certificate = join(import.meta.dir, `.certificate-${process.pid}.pem`)
    beforeAll(async () => {
      proxy = await startProxy(Number(new URL(database.url).port), wrongCertificate)
      writeFileSync(certificate, wrongCertificate.cert)
    })
    afterAll(async () => {
      proxy.stop()
      await Bun.file(certificate).delete()
    })
    const by = (mode: string, more = "") =>
      through(proxy.port, (url) => {
        url.search = `?sslmode=${mode}${more}`
      })

    test.each(["prefer", "require"])("%s encrypts and accepts every server", async (mode) => {
      expect((await using({ to: by(mode) }, (caller) => caller.call(echo, nothing))).num).toBe("7")
    })

    test("verify-ca accepts the given authority, whatever the name", async () => {
      const to = by("verify-ca", `&sslrootcert=${certificate}`)
      expect((await using({ to }, (caller) => caller.call(echo, nothing))).num).toBe("7")
    })

    test.each([
      ["verify-ca", ""],
      ["verify-full", ""],
      ["verify-full", `&sslrootcert=${certificate}`]
    ])("%s%s rejects a server with another certificate", async (mode, more) => {
      const error = await failure(by(mode, more))
      expect(error.reason).toBe("NotExecuted")
      expect(error.detail).toMatch(/certificate/i)
    })

    test("verify-full accepts the given authority and the name in its certificate", async () => {
      const own = await startProxy(Number(new URL(database.url).port), localhost)
      const to = through(own.port, (url) => {
        url.search = `?sslmode=verify-full&sslrootcert=${authority}`
      })
      expect((await using({ to }, (caller) => caller.call(echo, nothing))).num).toBe("7")
      own.stop()
    })

    test.each([
      ["verify-ca", ""],
      ["verify-full", ""],
      ["verify-full", `&sslrootcert=${certificate}`],
      ["require", `&sslrootcert=${authority}`]
    ])("NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect with %s%s", async (mode, more) => {
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"
      try {
        const error = await failure(by(mode, more))
        expect(error.reason).toBe("NotExecuted")
        expect(error.detail).toMatch(/certificate/i)
      } finally {
        delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      }
    })

    test("require refuses an unencrypted connection", async () => {
      const to = through(Number(new URL(database.url).port), (url) => {
        url.search = "?sslmode=require"
      })
      expect(await failure(to)).toMatchObject({ reason: "NotExecuted" })
    })
  })

  describe("PostgresLive with its own server", () => {
    let server: OwnPostgresServer
    let own: TestDatabase
    beforeAll(async () => {
      server = await startPostgres({ fresh: true })
      own = await createDatabase({ server, sql: contractSql })
    }, 60_000)
    afterAll(() => server.stop())

    test(
      "executes nothing while a crashed server is down, and reconnects once it is back",
      () =>
        using({ to: own.url }, async (caller) => {
          await Promise.all(Array.from({ length: 8 }, () => caller.call(echo, nothing)))
          await server.kill()
          const down = await Promise.all(
            Array.from({ length: 8 }, () => caller.fail(echo, nothing))
          )
          expect(down.every((one) => ["NotExecuted", "Ambiguous"].includes(one.reason))).toBe(true)
          expect(await caller.fail(echo, nothing)).toMatchObject({ reason: "NotExecuted" })
          await server.restart()
          const up = await Promise.all(Array.from({ length: 8 }, () => caller.call(echo, nothing)))
          expect(up).toHaveLength(8)
        }),
      60_000
    )
  })
})
