import { beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)

beforeAll(() => binaryPath())

test("without arguments, help goes to stdout with exit 0; usage errors go to stderr with exit 2", async () => {
  const help = await runBinary([])
  expect(help.stdout).toStartWith("Sync Scheduler")
  expect({ stderr: help.stderr, code: help.code }).toEqual({ stderr: "", code: 0 })
  const wrong = await runBinary(["rnu"])
  expect(wrong.stderr).toContain('Did you mean "run"?')
  expect({ stdout: wrong.stdout, code: wrong.code }).toEqual({ stdout: "", code: 2 })
  const topic = await runBinary(["help", "rnu"])
  expect(topic.code).toBe(2)
})
