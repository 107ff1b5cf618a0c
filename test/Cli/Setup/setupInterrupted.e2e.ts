import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { openSetupFixture, type SetupFixture } from "../../support/SetupFixture.ts"

// Takes about 10 s per Supabase CLI call. Run with `bun run e2e ./test/Cli/Setup/setupInterrupted.e2e.ts`.
setDefaultTimeout(600_000)

let fixture: SetupFixture
beforeAll(async () => {
  await binaryPath()
  fixture = await openSetupFixture()
}, 120_000)
afterAll(() => fixture.close())

test("a setup that is killed after any of its calls and repeated has the same result", async () => {
  expect((await fixture.setup(["--local", "--yes"])).code).toBe(0)
  const whole = await fixture.tree()
  const calls = (await fixture.standIn.calls()).length
  for (let kill = 1; kill <= calls; kill++) {
    await fixture.reset()
    await fixture.setup(["--local", "--yes"], { STANDIN_KILL: String(kill) })
    const { code, stdout } = await fixture.setup(["--local", "--yes"])
    expect([kill, code, stdout]).toEqual([kill, 0, expect.not.stringContaining("✗")])
    expect(await fixture.tree()).toEqual(whole)
    expect(await fixture.runs()).toMatchObject([{ status: "completed" }])
  }
})
