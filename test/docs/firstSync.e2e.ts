/**
 * Measures how long a new user takes to get from an empty directory to the first completed scheduled run, and counts the steps
 * and decisions. Run with `bun run e2e ./test/docs/firstSync.e2e.ts`. `supabase start` takes no time here, because a stand-in
 * replaces the Supabase CLI.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { runOnTerminal } from "../support/runBinary.ts"
import { openSetupFixture, type SetupFixture } from "../support/SetupFixture.ts"

setDefaultTimeout(300_000)

let fixture: SetupFixture
beforeAll(async () => {
  await binaryPath()
  fixture = await openSetupFixture()
}, 120_000)
afterAll(() => fixture.close())

test("a new user's first sync takes three steps and less than three minutes", async () => {
  const startedAt = performance.now()
  // Step 1, the installation, is done in advance, because it is the same for every project.
  for (const command of ["init", "start"]) {
    const child = Bun.spawn(["supabase", command], {
      cwd: fixture.project,
      env: fixture.environment()
    })
    expect(await child.exited).toBe(0)
  }
  // Step 3 accepts the defaults of setup.
  const typed = [
    { after: "What starts a tick every minute?", text: "\n" },
    { after: "Do this? [Y/n]", text: "\n" }
  ]
  const { code, shown } = await runOnTerminal(["setup"], 100, {
    cwd: fixture.project,
    env: fixture.environment({ NO_COLOR: "1" }),
    typed
  })
  const seconds = (performance.now() - startedAt) / 1_000
  const questions = shown.match(/\[1\]: |\[Y\/n\] /g)?.length ?? 0
  expect([code, shown]).toEqual([0, expect.stringContaining("✓ run       completed")])
  expect(await fixture.runs()).toMatchObject([{ trigger: "schedule", status: "completed" }])
  expect(seconds).toBeLessThan(180)
  expect(questions).toBeLessThanOrEqual(3)
  console.log(
    `3 steps, ${questions} questions with defaults, ${seconds.toFixed(1)} s after the build`
  )
})
