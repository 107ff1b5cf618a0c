import { expect, test } from "bun:test"
import { constants } from "node:os"
import { ignoredByLibrary, ignoredSignals, signalMeanings } from "../../src/Cli/Signals.ts"

test("each signal has one meaning", () => {
  const all = signalMeanings.flatMap(({ signals }) => signals)
  expect(new Set(all).size).toBe(all.length)
  expect(all.length).toBeGreaterThan(10)
})

test.if(process.platform === "linux")(
  "the signals ignored at start are the same according to /proc and the C library",
  async () => {
    const program = `
      const { ignoredByLibrary, ignoredSignals } = await import("./src/Cli/Signals.ts")
      const show = (signals) => [...signals].toSorted((a, b) => a - b).join()
      console.log(show(await ignoredSignals()), show(await ignoredByLibrary("libc.so.6")))`
    const child = Bun.spawn(
      ["sh", "-c", 'trap "" HUP ALRM; exec "$0" -e "$1"', process.execPath, program],
      { cwd: `${import.meta.dir}/../..`, stdin: "ignore" }
    )
    const [fromProc, fromLibrary] = (await new Response(child.stdout).text()).trim().split(" ")
    expect(fromLibrary).toBe(fromProc ?? "")
    const { SIGALRM, SIGHUP, SIGTERM } = constants.signals
    const numbers = fromProc?.split(",").map(Number)
    expect(numbers).toContain(SIGHUP)
    expect(numbers).toContain(SIGALRM)
    expect(numbers).not.toContain(SIGTERM)
  }
)

test("no handled signal is reported as ignored", async () => {
  expect((await ignoredSignals()).has(constants.signals.SIGTERM)).toBe(false)
  expect(ignoredByLibrary("no-such-library.so")).rejects.toThrow()
})
