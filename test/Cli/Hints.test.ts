import { expect, test } from "bun:test"
import { read } from "../../src/Cli/Arguments.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { pasteable } from "../../src/Cli/Hints.ts"

const given = (...argv: ReadonlyArray<string>) => {
  const request = read(argv, commands)
  if (request._tag !== "Run") throw new Error(request._tag)
  return request.arguments
}

test("a suggested command line is quoted for the shell and omits the replaced flags", () => {
  const list = given(
    "runs",
    "list",
    "--org",
    "O'Neill <Retail>",
    "-o",
    "text",
    "--cursor",
    "x",
    "--failed"
  )
  expect(list.lineWithout("cursor")).toBe(
    `sync-scheduler runs list --org 'O'\\''Neill <Retail>' --output text --failed`
  )
})

test("hints contain the given demo directory once", () => {
  const say = pasteable("./my demo")
  expect(say("→ run it now: sync-scheduler runs retry 4875f69a --wait")).toBe(
    "→ run it now: sync-scheduler runs retry --demo './my demo' 4875f69a --wait"
  )
  expect(say("See all commands: sync-scheduler help, or sync-scheduler run")).not.toContain(
    "--demo"
  )
  const line = given("explain", "acme", "--all", "--demo", "./my demo").lineWithout()
  expect(line).toBe("sync-scheduler explain --demo './my demo' acme --all")
  expect(say(line)).toBe(line)
  expect(pasteable(undefined)("sync-scheduler status")).toBe("sync-scheduler status")
})
