import { expect, test } from "bun:test"
import { read } from "../../src/Cli/Arguments.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { pasteable } from "../../src/Cli/Hints.ts"

const given = (...argv: ReadonlyArray<string>) => {
  const request = read(argv, commands)
  if (request._tag !== "Run") throw new Error(request._tag)
  return request.arguments
}

test("a command line is given again as a shell reads it, without the flags that are replaced", () => {
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

test("hints name the demo that was given, once", () => {
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
