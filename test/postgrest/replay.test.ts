import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"
import { asAuthenticator, ask } from "./Asking.ts"
import { differences } from "./Differences.ts"
import { functionsSql } from "./Functions.ts"
import { calls, complete, read, situations, sqlStates } from "./Recorded.ts"
import { scenarios } from "./Situations.ts"

/** Every engine test that uses the API relies on the stand-in to respond like PostgREST 14.9. */
let database: TestDatabase
let gateway: RpcGateway
beforeAll(async () => {
  database = await createDatabase({ sql: functionsSql })
  gateway = await startGateway({ databaseUrl: asAuthenticator(database.url) })
}, 60_000)
afterAll(async () => {
  await gateway.close()
  await database.drop()
})

test.each(sqlStates)("SQLSTATE %s is HTTP %i", async (state, status) => {
  const body = { code: state, details: null, hint: null, message: "boom" }
  const answer = { status, body: JSON.stringify(body) }
  const asked = ask(gateway, { path: "/rpc/t_err", body: JSON.stringify({ state }) })
  expect(await read(asked, answer)).toEqual(complete(answer))
})

describe("single calls match the recording", () => {
  const same = calls.filter(({ call }) => !(call in differences))
  test.each(same.map((one) => [one.call, one] as const))("%s", async (_, scenario) => {
    const { call, request, ...answer } = scenario
    expect(await read(ask(gateway, request), answer)).toEqual(complete(answer))
  })
})

describe("intentional differences", () => {
  test.each(Object.entries(differences))("%s", async (name, { answer, why }) => {
    const scenario = calls.find(({ call }) => call === name)
    if (scenario === undefined) throw new Error("not recorded")
    const { call, request, ...recorded } = scenario
    const seen = await read(ask(gateway, request), recorded)
    expect(seen).toMatchObject(answer)
    expect(seen).not.toEqual(complete(recorded))
    expect(why).not.toBe("")
  })
})

describe("situations match the recording", () => {
  test("every recorded situation is replayed", () => {
    expect(scenarios.flatMap(({ names }) => names).toSorted()).toEqual(
      [...situations.keys()].toSorted()
    )
  })

  test.concurrent.each(scenarios.map((scenario) => [scenario.names.join(", "), scenario] as const))(
    "%s",
    async (_, { names, play }) => {
      const seen = await play()
      for (const name of names) {
        expect([name, seen[name]]).toEqual([name, complete(situations.get(name) ?? {})])
      }
    },
    60_000
  )
})
