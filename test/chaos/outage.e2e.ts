import { beforeAll, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { playOutage } from "../support/OutageFixture.ts"

beforeAll(binaryPath, 60_000)

test.concurrent("a tick that begins during a PostgreSQL outage of 20 s waits, and then succeeds", async () => {
  const { tick, next } = await playOutage({ when: "before", awayMs: 20_000, due: 20 })
  expect(tick).toMatchObject({ code: 0, summary: { due: 20, completed: 20, errors: [] } })
  expect(next).toMatchObject({ code: 0, summary: { due: 0, errors: [] } })
}, 180_000)

test.concurrent("a PostgreSQL outage of 20 s during a tick loses no run and repeats none, and the next tick succeeds", async () => {
  const { tick, next } = await playOutage({ when: "during", awayMs: 20_000, due: 40 })
  expect([0, 5]).toContain(tick.code ?? -1)
  expect(next).toMatchObject({ code: 0, summary: { errors: [] } })
}, 180_000)
