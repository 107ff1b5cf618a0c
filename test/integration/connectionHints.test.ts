import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { binaryPath } from "../support/binary.ts"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  startPostgres,
  type TestDatabase
} from "../support/Postgres.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)
beforeAll(binaryPath)

interface ConnectionErrorText {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly exit: number
}

const base = {
  SUPABASE_URL: "http://127.0.0.1:1",
  SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}`
}

/** Asserts that `status` and `doctor` report the same error. */
const connectionErrorOf = async (
  env: Readonly<Record<string, string>>
): Promise<ConnectionErrorText> => {
  const all = { env: { ...base, ...env } }
  const [status, doctor] = await Promise.all([
    runBinary(["status", "-o", "json"], all),
    runBinary(["doctor", "-o", "json"], all)
  ])
  const [error] = JSON.parse(status.stdout).errors
  const finding = JSON.parse(doctor.stdout).findings.find(
    ({ check, level }: { check: string; level: string }) =>
      check === "database" && level === "error"
  )
  expect(finding.code).toBe(error.code)
  expect(finding.fix).toBe(error.hint)
  // The hint must not promise a retry by the next tick, because a person might have run the command.
  expect(error.hint).not.toContain("next tick")
  return { ...error, exit: status.code }
}

describe("over a direct connection to a server with passwords", () => {
  let server: OwnPostgresServer
  let database: TestDatabase
  beforeAll(async () => {
    server = await startPostgres({ fresh: true })
    database = await createDatabase({ server })
    const [{ hba_file: file }] = await server.admin.unsafe("show hba_file")
    await server.admin.unsafe(`
      create role reader login password 'right';
      create role closed nologin;
      create role barred login password 'right'`)
    writeFileSync(
      file,
      `host all barred all reject\nhost all reader all scram-sha-256\n${readFileSync(file, "utf8")}`
    )
    await server.admin.unsafe("select pg_reload_conf()")
  })
  afterAll(() => server.stop())

  const url = (change: (url: URL) => void): string => {
    const changed = new URL(database.url)
    change(changed)
    return changed.href
  }
  const as = (username: string, password = "right") =>
    url((one) => Object.assign(one, { username, password }))

  test.each([
    [
      "a wrong password",
      () => as("reader", "wrong"),
      ["KEY_REFUSED", 4],
      "the password is wrong",
      "password of reader in SUPABASE_DB_URL"
    ],
    [
      "an unknown role",
      () => as("nobody_here"),
      ["KEY_REFUSED", 4],
      "does not accept this user",
      "Correct the user in SUPABASE_DB_URL"
    ],
    [
      "a role that may not log in",
      () => as("closed"),
      ["KEY_REFUSED", 4],
      "does not accept this user",
      'alter role "closed" login;'
    ],
    [
      "a role that is kept out by its address",
      () => as("barred"),
      ["KEY_REFUSED", 4],
      "from this machine",
      "Allow this machine's address"
    ],
    [
      "an unknown database",
      () => url((one) => Object.assign(one, { pathname: "/nowhere" })),
      ["MIGRATIONS_MISSING", 2],
      '"nowhere" does not exist',
      "name at the end of SUPABASE_DB_URL"
    ],
    [
      "missing grants",
      () => as("reader"),
      ["KEY_REFUSED", 4],
      "The user in SUPABASE_DB_URL lacks a grant: permission denied for function",
      'grant service_role to "reader";'
    ]
  ] as const)("the hint is right for %s", async (_, to, [code, exit], why, hint) => {
    const seen = await connectionErrorOf({ SUPABASE_DB_URL: to() })
    expect(seen).toMatchObject({ code, exit })
    expect(seen.message).toContain(why)
    expect(seen.hint).toContain(hint)
    expect(seen.hint).not.toContain("SUPABASE_SECRET_KEY")
  })

  test("the suggested grant helps", async () => {
    await server.admin.unsafe('grant service_role to "reader"')
    const { code } = await runBinary(["status", "-o", "json"], {
      env: { ...base, SUPABASE_DB_URL: as("reader") }
    })
    expect(code).toBe(0)
    await server.admin.unsafe('revoke service_role from "reader"')
  })
})

/** Responds to the startup message with its own error, as a pooler does. */
const startPooler = (code: string, message: string): Promise<Server> =>
  new Promise((resolve) => {
    const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
    const head = Buffer.alloc(5)
    head.write("E")
    head.writeInt32BE(fields.length + 4, 1)
    const server = createServer((socket) => {
      socket.on("error", () => undefined)
      socket.once("data", () => socket.end(Buffer.concat([head, fields])))
    }).listen(0, "127.0.0.1", () => resolve(server))
  })

describe("behind a pooler", () => {
  test.each([
    ["XX000", "Tenant or user not found"],
    ["XX000", "(ENOTFOUND) tenant/user postgres.abcd not found"],
    [
      "XX000",
      "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)"
    ],
    ["08P01", "no tenant identifier provided"]
  ])("%s %s: the hint names the user's format, and does not say to wait", async (code, message) => {
    const pooler = await startPooler(code, message)
    const address = pooler.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    const SUPABASE_DB_URL = `postgres://postgres:x@127.0.0.1:${port}/postgres?sslmode=disable`
    const seen = await connectionErrorOf({ SUPABASE_DB_URL })
    pooler.close()
    expect(seen).toMatchObject({ code: "KEY_REFUSED", exit: 4 })
    expect(seen.message).toContain("the pooler does not know this project or user")
    expect(seen.hint).toContain("postgres.<project-ref>")
    expect(seen.hint).not.toContain("that the project is running")
  })

  test.concurrent("without a free connection, the hint names the transaction mode", async () => {
    const message =
      "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size"
    const pooler = await startPooler("XX000", message)
    const address = pooler.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    const SUPABASE_DB_URL = `postgres://postgres.abcd:x@127.0.0.1:${port}/postgres?sslmode=disable`
    const seen = await connectionErrorOf({ SUPABASE_DB_URL })
    pooler.close()
    expect(seen).toMatchObject({ code: "SUPABASE_UNREACHABLE", exit: 5 })
    expect(seen.hint).toContain("port 6543")
  })
})

describe("an unreachable host", () => {
  // 2001:db8::/32 is not routed.
  test.concurrent("with IPv6 addresses only gets a hint at the session pooler and the add-on", async () => {
    const seen = await connectionErrorOf({
      SUPABASE_DB_URL: "postgres://postgres:x@[2001:db8::1]:5432/postgres?connect_timeout=1"
    })
    expect(seen).toMatchObject({ code: "SUPABASE_UNREACHABLE", exit: 5 })
    expect(seen.message).toContain("has IPv6 addresses only")
    expect(seen.hint).toContain("session pooler")
    expect(seen.hint).toContain("IPv4 add-on")
    expect(seen.hint).not.toContain("that the project is running")
  })

  test.concurrent("without an address gets a hint that names the host of the setting", async () => {
    const seen = await connectionErrorOf({
      SUPABASE_DB_URL: "postgres://postgres:x@db.nowhere.invalid/postgres"
    })
    expect(seen.message).toContain("db.nowhere.invalid has no address")
    expect(seen.hint).toContain("host in SUPABASE_DB_URL")
  })

  test.concurrent("without a server or without TLS gets a hint", async () => {
    const refused = await connectionErrorOf({
      SUPABASE_DB_URL: "postgres://postgres:x@127.0.0.1:1/postgres"
    })
    expect(refused.hint).toContain("host and port in SUPABASE_DB_URL")
    const { url } = await createDatabase({ migrations: false })
    const plain = await connectionErrorOf({ SUPABASE_DB_URL: `${url}?sslmode=require` })
    expect(plain.message).toContain("does not support TLS")
    expect(plain.hint).not.toContain("that the project is running")
  })
})

describe("over the API", () => {
  let project: Project
  beforeAll(async () => {
    project = await startProject()
  })
  afterAll(() => project.close())

  test("a key of another project gets a hint that names the key", async () => {
    const seen = await connectionErrorOf({ SUPABASE_URL: project.gateway.url })
    expect(seen).toMatchObject({ code: "KEY_REFUSED", exit: 4 })
    expect(seen.hint).toContain("SUPABASE_SECRET_KEY")
    expect(seen.hint).not.toContain("SUPABASE_DB_URL")
  })

  test("missing grants get a hint about the database, not about the key", async () => {
    const admin = connect(project.database.adminUrl, { max: 1 })
    const functions = "all functions in schema public from service_role"
    await admin.unsafe(`revoke execute on ${functions}`)
    const seen = await connectionErrorOf(project.environment)
    await admin.close()
    expect(seen).toMatchObject({ code: "KEY_REFUSED", exit: 4 })
    expect(seen.message).toContain("permission denied")
    expect(seen.hint).toContain("grant execute on all functions in schema public to service_role;")
  })
})
