import { expect, test } from "bun:test"
import { type Action, otherActions, outcomeOf, tokenActions } from "./actions.ts"
import { onEachServer } from "./Ledger.ts"
import { states } from "./RunFixture.ts"

// Each row is a state from test/sql/RunFixture.ts. Each column is a request with the last attempt's token. Each cell is the state
// after the request: "-" means refused, and "=" means accepted and unchanged.
const table = `
          | begin heartbeat | report completed, failed | completed failed    | not executed | unknown | accepted | start   | sweep   | retry   | release
pending   | -     -         | -         -              | -         -         | -            | -       | -        | running | =       | -       | -
running   | =     =         | completed failed         | completed failed    | pending      | unknown | =        | -       | =       | -       | -
begun     | =     =         | completed failed         | completed failed    | unknown      | unknown | =        | -       | =       | -       | -
over      | -     =         | completed failed         | completed failed    | pending      | unknown | =        | -       | unknown | -       | -
backoff   | -     -         | completed failed         | completed failed    | -            | -       | -        | -       | =       | -       | -
unknown   | -     running   | completed failed         | completed failed    | -            | =       | -        | -       | =       | pending | released
quiet     | -     running   | completed failed         | completed failed    | -            | =       | -        | -       | pending | pending | released
held      | -     running   | completed failed         | completed failed    | -            | =       | -        | -       | =       | pending | released
proven    | -     running   | completed failed         | completed failed    | -            | =       | -        | -       | pending | pending | released
requeued  | -     -         | completed failed         | completed failed    | -            | -       | -        | running | =       | -       | -
released  | -     -         | completed failed         | completed failed    | -            | =       | -        | -       | =       | pending | -
completed | -     -         | =         -              | =         -         | -            | -       | -        | -       | =       | -       | -
failed    | -     -         | -         =              | -         =         | -            | -       | -        | -       | =       | pending | -
skipped   | -     -         | -         -              | -         -         | -            | -       | -        | -       | =       | pending | -
`
const actions: Readonly<Record<string, Action>> = { ...tokenActions, ...otherActions }
const rows = table
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split(/[\s|]+/))

test("the table contains every state and every action", () => {
  expect(rows.map(([state]) => state)).toEqual(Object.keys(states))
  for (const row of rows) expect(row).toHaveLength(Object.keys(actions).length + 1)
})

onEachServer("transitions", (ledger) => {
  for (const [state = "", ...cells] of rows) {
    const open = states[state]
    if (open === undefined) continue
    test(`${state}: each action leads where the table says, and its repetition changes nothing more`, async () => {
      const found: Array<string> = []
      for (const [n, action] of Object.values(actions).entries()) {
        const fixture = await open(ledger())
        const before = await fixture.row()
        const first = await outcomeOf(fixture, action)
        const after = await fixture.row()
        const events = await fixture.events()
        found.push(first.cell(before.status === "unknown" && before.released_at !== null))
        if (first.refused) expect(after).toEqual(before)
        else if (after.status !== before.status) {
          expect(events.at(-1)).toContain(`${before.status}>${after.status}`)
        }
        const second = await outcomeOf(fixture, action)
        expect(await fixture.row(), `${cells[n]}, repeated`).toEqual(after)
        expect(await fixture.events()).toEqual(events)
        // A repeated report is accepted again. A repeated operator action has nothing left to do.
        if (!first.refused && !/retry|release/.test(Object.keys(actions)[n] ?? "")) {
          expect(second.refused).toBe(false)
        }
      }
      expect(found).toEqual(cells)
    })

    test(`${state}: a wrong token is refused and changes nothing`, async () => {
      const fixture = await open(ledger())
      const before = await fixture.row()
      for (const action of Object.values(tokenActions)) {
        const answer = await action(fixture, "00000000-0000-4000-8000-00000000dead")
        expect([answer.granted ?? answer.accepted, answer.reason]).toEqual([
          false,
          "token_mismatch"
        ])
      }
      expect(await fixture.row()).toEqual(before)
    })
  }
})
