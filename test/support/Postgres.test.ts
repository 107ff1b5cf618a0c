import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { connect, type OwnPostgresServer, startPostgres } from "./Postgres.ts"

const SLOW = 120_000

describe("the shared server", () => {
  test(
    "is the same for every session, so that two sessions contend",
    async () => {
      const server = await startPostgres()
      expect(await startPostgres()).toBe(server)
      expect(server.major).toBeGreaterThanOrEqual(15)
      const sql = connect(server.adminUrl, { max: 2 })
      const [first, second] = await Promise.all([sql.reserve(), sql.reserve()])
      await first`begin`
      await first`select pg_advisory_xact_lock(4711)`
      const refused = await second`select pg_try_advisory_xact_lock(4711) as got`
      expect(refused[0].got).toBe(false)
      await first`rollback`
      const granted = await second`select pg_try_advisory_xact_lock(4711) as got`
      expect(granted[0].got).toBe(true)
      first.release()
      second.release()
      await sql.close()
    },
    SLOW
  )
})

describe("a separate server", () => {
  let server: OwnPostgresServer
  beforeAll(async () => {
    server = await startPostgres({ fresh: true })
  }, SLOW)
  afterAll(() => server.stop(), SLOW)

  test(
    "keeps committed data when it is killed, and loses uncommitted data",
    async () => {
      const sql = connect(server.adminUrl, { max: 1 })
      await sql`create table kept (n int)`
      await sql`insert into kept values (1)`
      const open = connect(server.adminUrl, { max: 1 })
      const session = await open.reserve()
      await session`begin`
      await session`insert into kept values (2)`
      await server.kill("SIGKILL")
      await expect(session`select 1`.then(() => "answered")).rejects.toThrow()
      await server.restart()
      const again = connect(server.adminUrl, { max: 1 })
      expect([...(await again`select n from kept`)]).toEqual([{ n: 1 }])
      await Promise.all([sql, open, again].map((pool) => pool.close({ timeout: 0 })))
    },
    SLOW
  )

  test(
    "leaves nothing behind when the test process is killed",
    async () => {
      const program = `
      const { startPostgres } = await import(${JSON.stringify(import.meta.resolve("./Postgres.ts"))})
      const server = await startPostgres({ fresh: true })
      console.log(JSON.stringify({ directory: server.dataDirectory, port: server.port }))
      await new Promise(() => setInterval(() => {}, 1000))`
      const child = Bun.spawn([process.execPath, "-e", program], {
        stdout: "pipe",
        stderr: "inherit"
      })
      const reader = child.stdout.getReader()
      const line = new TextDecoder().decode((await reader.read()).value)
      const { directory, port } = JSON.parse(line)
      expect(existsSync(directory)).toBe(true)
      child.kill("SIGKILL")
      await child.exited
      while (existsSync(directory)) await Bun.sleep(10)
      const sql = connect(`postgres://supabase_admin@127.0.0.1:${port}/postgres`, { max: 1 })
      await expect(sql`select 1`.then(() => "answered")).rejects.toThrow()
      await sql.close({ timeout: 0 })
    },
    SLOW
  )
})
