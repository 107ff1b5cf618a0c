import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { parsePostgresUrl } from "../../src/Domain/PostgresUrl.ts"

const read = (text: string) => Either.getOrThrow(parsePostgresUrl(text))

describe("parsePostgresUrl", () => {
  test("reads what Supabase's dashboard shows", () => {
    expect(
      read(
        "postgresql://postgres.abcd:p%40ss%2Fword@aws-0-eu-north-1.pooler.supabase.com:6543/postgres?pgbouncer=true"
      )
    ).toEqual({
      hostname: "aws-0-eu-north-1.pooler.supabase.com",
      port: 6543,
      username: "postgres.abcd",
      password: "p@ss/word",
      database: "postgres",
      sslMode: "require",
      rootCertificate: null,
      connectTimeoutMs: null
    })
  })

  test("fills in as libpq does", () => {
    expect(read("postgres://db.example")).toMatchObject({
      port: 5432,
      username: "postgres",
      password: "",
      database: "postgres"
    })
    expect(read("postgres://me@db.example").database).toBe("me")
    expect(read("postgres://me:100%@db.example").password).toBe("100%")
    expect(read("postgres://h/d?connect_timeout=3").connectTimeoutMs).toBe(3000)
    expect(read("postgres://h/d?connect_timeout=0").connectTimeoutMs).toBeNull()
  })

  test("knows sockets and IPv6", () => {
    expect(read("postgres:///d?host=/run/postgresql&port=5433")).toMatchObject({
      hostname: "/run/postgresql",
      port: 5433,
      sslMode: "prefer"
    })
    expect(read("postgres://[::1]:5433/d")).toMatchObject({ hostname: "::1", sslMode: "prefer" })
  })

  test("what leaves the machine is encrypted unless the URL says otherwise", () => {
    expect(read("postgres://db/x").sslMode).toBe("require")
    expect(read("postgres://10.0.0.1/x").sslMode).toBe("require")
    expect(read("postgres://db/x?sslmode=disable").sslMode).toBe("disable")
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3"]) {
      expect(read(`postgres://${host}/x`).sslMode).toBe("prefer")
    }
  })

  test("a certificate is there to be checked", () => {
    const url = "postgres://db/x?sslrootcert=/etc/ca.pem&sslmode="
    expect(read(`${url}require`)).toMatchObject({
      sslMode: "verify-ca",
      rootCertificate: "/etc/ca.pem"
    })
    expect(read(`${url}verify-full`).sslMode).toBe("verify-full")
    expect(
      read("postgres://db/x?sslmode=verify-full&sslrootcert=system").rootCertificate
    ).toBeNull()
  })

  test.each([
    ["no url", "not a URL"],
    ["mysql://a:hush-hush@b/c", "not a URL"],
    ["https://x.supabase.co", "not a URL"],
    ["postgres://a:hush-hush@b/c?sslmode=maybe", "sslmode"],
    ["postgres://a:hush-hush@b:0/c", "port"]
  ])("refuses %s without repeating it", (text, word) => {
    const why = Either.getOrThrow(Either.flip(parsePostgresUrl(text)))
    expect(why).toContain(word)
    expect(why).not.toContain("hush-hush")
  })
})
