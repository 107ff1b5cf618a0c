import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { parsePostgresUrl } from "../../src/Database/ConnectionUrl.ts"

const read = (text: string) => Either.getOrThrow(parsePostgresUrl(text))

describe("parsePostgresUrl", () => {
  test("reads the URLs of Supabase's dashboard", () => {
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

  test("uses libpq's defaults", () => {
    expect(read("postgres://db.example")).toMatchObject({
      port: 5432,
      username: "postgres",
      password: "",
      database: "postgres"
    })
    expect(read("postgres://me@db.example").database).toBe("me")
    expect(read("postgres://h/d?connect_timeout=3").connectTimeoutMs).toBe(3000)
    expect(read("postgres://h/d?connect_timeout=0").connectTimeoutMs).toBeNull()
  })

  test("accepts sockets and IPv6 addresses", () => {
    expect(read("postgres:///d?host=/run/postgresql&port=5433")).toMatchObject({
      hostname: "/run/postgresql",
      port: 5433,
      sslMode: "prefer"
    })
    expect(read("postgres://[::1]:5433/d")).toMatchObject({ hostname: "::1", sslMode: "prefer" })
  })

  test("encrypts connections to other machines unless the URL says otherwise", () => {
    expect(read("postgres://db/x").sslMode).toBe("require")
    expect(read("postgres://10.0.0.1/x").sslMode).toBe("require")
    expect(read("postgres://db/x?sslmode=disable").sslMode).toBe("disable")
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3"]) {
      expect(read(`postgres://${host}/x`).sslMode).toBe("prefer")
    }
  })

  test("verifies the certificate if the URL names one", () => {
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

  // The password as pasted into the URL, and the password that the user meant.
  test.each([
    ["100%", "100%"],
    ["%", "%"],
    ["p%40ss%231%", "p@ss#1%"],
    ["%%40%4", "%@%4"],
    ["50%ZZ%2F", "50%ZZ/"],
    ["a%2540", "a%40"],
    ["gr%C3%BCn%", "grün%"],
    ["grün€%20x", "grün€ x"],
    ["a:b@c", "a:b@c"]
  ])("keeps a stray %% and decodes everything else: %s", (typed, meant) => {
    expect(read(`postgres://me:${typed}@db.example/d`)).toMatchObject({
      ...{ hostname: "db.example", username: "me", password: meant, database: "d" }
    })
  })

  test.each([
    ["postgres://me:100%ab@db/d", "password contains %ab"],
    ["postgres://me:%40%E9t%E9@db/d", "password contains %E9"],
    ["postgres://m%FF:x@db/d", "user name contains %FF"],
    ["postgres://me:x@db/%C3%28", "database name contains %C3"]
  ])("rejects invalid UTF-8 and names the bytes: %s", (text, words) => {
    const why = Either.getOrThrow(Either.flip(parsePostgresUrl(text)))
    expect(why).toContain(words)
    expect(why).toContain("%25")
  })

  test.each([
    ["postgres://me:hush#hush@db:5432/d", "#", "%23"],
    ["postgres://me:hush/hush@db:5432/d", "/", "%2F"],
    ["postgres://me:12/34@db:5432/d", "/", "%2F"],
    ["postgres://me:12?34@db:5432/d", "?", "%3F"]
  ])("rejects a password with a delimiter and names the delimiter: %s", (text, found, encoded) => {
    const why = Either.getOrThrow(Either.flip(parsePostgresUrl(text)))
    expect(why).toContain(`contains an unescaped ${found}`)
    expect(why).toContain(encoded)
    expect(why).not.toContain("hush")
  })

  test("accepts an @ after the host", () => {
    expect(read("postgres://db/d?sslrootcert=/etc/a@b.pem").rootCertificate).toBe("/etc/a@b.pem")
    expect(read("postgres://db:5432/d?user=a@b").hostname).toBe("db")
    expect(read("postgres://me:x@db/d?user=a@b").hostname).toBe("db")
  })

  test.each([
    ["no url", "not a URL"],
    ["mysql://a:hush-hush@b/c", "not a URL"],
    ["https://x.supabase.co", "not a URL"],
    ["postgres://a:hush-hush@b/c?sslmode=maybe", "sslmode"],
    ["postgres://a:hush-hush@b:0/c", "port"]
  ])("rejects %s without printing it", (text, word) => {
    const why = Either.getOrThrow(Either.flip(parsePostgresUrl(text)))
    expect(why).toContain(word)
    expect(why).not.toContain("hush-hush")
  })
})
