import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test"
import { ConnectionPool } from "./ConnectionPool.ts"
import { createDatabase, type TestDatabase } from "./Postgres.ts"

const SLOW = 120_000

let database: TestDatabase
let pool: ConnectionPool
beforeAll(async () => {
  database = await createDatabase({ migrations: false })
}, SLOW)
afterAll(() => database.drop())
beforeEach(() => {
  pool = new ConnectionPool({ databaseUrl: database.url, size: 2, timeoutMs: 50 })
})
afterEach(() => pool.close())

const borrow = async () => {
  const borrowed = await pool.acquire()
  if (borrowed === undefined) throw new Error("none became free")
  const [{ pid }] = await borrowed.sql`select pg_backend_pid() as pid`
  return { pid, release: borrowed.release }
}

test("the pool opens a connection only when all others are in use", async () => {
  const pids = []
  for (let n = 0; n < 5; n++) {
    const { pid, release } = await borrow()
    pids.push(pid)
    release()
  }
  expect(new Set(pids).size).toBe(1)
  const [one, other] = await Promise.all([borrow(), borrow()])
  expect(one.pid).not.toBe(other.pid)
  expect([one.pid, other.pid]).toContain(pids[0])
  one.release()
  other.release()
})

test("a waiting caller gets the next free connection, and gives up after its timeout", async () => {
  const [one, other] = await Promise.all([borrow(), borrow()])
  const waits = borrow()
  other.release()
  const third = await waits
  expect(third.pid).toBe(other.pid)
  expect(await pool.acquire()).toBeUndefined()
  one.release()
  third.release()
  const again = await borrow()
  expect(again.pid).toBe(one.pid)
  again.release()
})
