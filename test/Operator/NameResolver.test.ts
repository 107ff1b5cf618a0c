import { describe, expect, test } from "bun:test"
import { Either } from "effect"
import { type Named, resolveName, shortIds, single } from "../../src/Operator/NameResolver.ts"

const one = (n: number, org: number, org_name: string | null, integration_type: string): Named => ({
  integration_id: `${n}c0ffee0-0000-4000-8000-00000000000${n}`,
  org_id: `${org}a5e0000-0000-4000-8000-00000000000${org}`,
  org_name,
  integration_type,
  timezone: "UTC"
})
const names = [
  one(1, 5, "Acme AS", "xledger"),
  one(2, 5, "Acme AS", "dynamics"),
  one(3, 5, "Acme AS", "dynamics"),
  one(4, 6, "Acme Holding", "xledger"),
  one(5, 7, null, "fortnox"),
  one(6, 8, "Ölbrücke €", "xero")
]
const found = (first: string, second?: string) =>
  Either.match(resolveName(names, first, second), {
    onLeft: ({ fix, why }) => `${why}: ${fix}`,
    onRight: (list) => list.map(({ integration_id }) => Number(integration_id[0]))
  })

describe("the names of an organisation and of an integration find the right integrations", () => {
  test.each<[string, string | undefined, ReadonlyArray<number>]>([
    ["Acme AS", undefined, [1, 2, 3]],
    ["  acme as ", undefined, [1, 2, 3]],
    ["holding", undefined, [4]],
    ["ÖLBRÜCKE", undefined, [6]],
    ["5a5e0000-0000-4000-8000-000000000005", undefined, [1, 2, 3]],
    ["5A5E", undefined, [1, 2, 3]],
    ["7a5e", undefined, [5]],
    ["4c0ffee0", undefined, [4]],
    ["Acme AS", "XLEDGER", [1]],
    ["Acme AS", "dynamics", [2, 3]],
    ["Acme AS", "3c0f", [3]],
    ["1c0ffee0", "xledger", [1]]
  ])("%j %j", (first, second, expected) => {
    expect(found(first, second)).toEqual([...expected])
  })

  test.each([
    [
      "acme",
      undefined,
      '"acme" matches 2 organisations: Write more of the name, or the id: 5a5e0000 (Acme AS), 6a5e0000 (Acme Holding)'
    ],
    ["hodling", undefined, 'Did you mean "Acme Holding"?'],
    ["olbrucke", undefined, 'Did you mean "Ölbrücke €"?'],
    ["Acme Hodling", undefined, 'Did you mean "Acme Holding"?'],
    ["", undefined, 'there is no organisation or integration ""'],
    ["5a5", undefined, 'there is no organisation or integration "5a5"'],
    ["1c0ffee0", "dynamics", 'Acme AS has no integration "dynamics": It has: xledger'],
    ["Acme AS", "dynamisc", 'Did you mean "dynamics"? It has: xledger, dynamics']
  ])("%j %j matches nothing, and the message says what to write", (first, second, words) => {
    expect(found(first, second)).toContain(words)
  })

  test("several matches are an error, and none is chosen", () => {
    const several = Either.flatMap(resolveName(names, "Acme AS", "dynamics"), single)
    expect(Either.isLeft(several) && several.left.fix).toBe(
      "Choose one by type or id: dynamics (2c0ffee0), dynamics (3c0ffee0)"
    )
  })
})

test("shortened ids stay distinct", () => {
  const short = shortIds(["11111111-a", "22222222-b", "22222222-c"])
  expect([short("11111111-a"), short("22222222-b")]).toEqual(["11111111", "22222222-b"])
})
