import { describe, expect, test } from "bun:test"
import { read } from "../../src/Cli/Arguments.ts"
import type { Command } from "../../src/Cli/Command.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { helpFor, usageOf } from "../../src/Cli/Help.ts"

const parse = (line: string) => read(line === "" ? [] : line.split(" "), commands)
const argumentsOf = (line: string) => {
  const request = parse(line)
  if (request._tag !== "Run") throw new Error(`${line}: ${JSON.stringify(request)}`)
  return { name: request.command.name, given: request.arguments }
}
const misuseOf = (line: string) => {
  const request = parse(line)
  return request._tag === "Misuse" ? `${request.misuse.what} | ${request.misuse.fix}` : request._tag
}

describe("valid command lines", () => {
  test.each([
    ["", []],
    ["-h", []],
    ["--help", []],
    ["help", []],
    ["help --help", []],
    ["version --help", []],
    ["help run", ["run"]],
    ["help schedules next", ["schedules", "next"]],
    ["run --help", ["run"]],
    ["schedules next -h", ["schedules", "next"]],
    ["schedules", ["schedules"]],
    ["schedules --help", ["schedules"]]
  ])("%p asks for help on %p", (line, topic) => {
    expect(parse(line)).toEqual({ _tag: "Help", topic })
  })

  test.each(["version", "--version", "-V"])("%s is parsed", (line) => {
    expect(parse(line)).toEqual({ _tag: "Version" })
  })

  test("flags are accepted in every form", () => {
    const { given, name } = argumentsOf("run -n --limit 3 --integration=a -ojson --integration b")
    expect(name).toBe("run")
    expect(given.has("dry-run")).toBe(true)
    expect(given.has("org")).toBe(false)
    expect(given.value("limit")).toBe("3")
    expect(given.value("output")).toBe("json")
    expect(given.values("integration")).toEqual(["a", "b"])
    expect(given.values("org")).toEqual([])
  })

  test("arguments may come before, between and after flags, and after --", () => {
    const given = (args: ReadonlyArray<string>) => {
      const request = read(["schedules", "next", ...args], commands)
      return request._tag === "Run" ? request.arguments.positionals : request
    }
    expect(given(["0 2 * * *", "--count", "3"])).toEqual(["0 2 * * *"])
    expect(given(["--count", "3", "0 2 * * *"])).toEqual(["0 2 * * *"])
    expect(given(["--", "-1 2 * * *"])).toEqual(["-1 2 * * *"])
  })
})

describe("invalid command lines", () => {
  test.each([
    ["rnu", /unknown command "rnu" \| Did you mean "run"\?/],
    ["schedule", /Did you mean "schedules"\?/],
    ["schedules nxt", /Did you mean "schedules next"\?/],
    ["retry 4875f69a", /unknown command "retry" \| Did you mean "runs retry"\?/],
    ["pause acme", /Did you mean "schedules pause"\?/],
    ["list", /Did you mean "schedules list" or "runs list"\?/],
    ["logs", /Did you mean "runs show <run>" or "runs tail"\?/],
    ["frobnicate", /unknown command "frobnicate" \| See all commands/],
    ["--output json run", /--output is given before the command/],
    ["-v", /-v is given before the command \| .*--version \(-V\)/],
    ["version -o json", /version does not expect "-o"/],
    ["version now", /version does not expect "now"/],
    ["help --output", /help does not expect "--output"/],
    ["run --limt 3", /run has no flag --limt \| Did you mean --limit\?/],
    ["run --frobnicate", /run has no flag --frobnicate \| See/],
    ["run -x", /no flag -x/],
    ["run --limit", /--limit needs <n>/],
    ["run --limit --dry-run", /--limit needs <n>/],
    ["run --limit=", /--limit needs <n>/],
    ["run --limit 3 --limit 4", /--limit is given twice/],
    ["run --dry-run=yes", /--dry-run takes no value/],
    ["run -o yaml", /-o cannot be "yaml", only text, tsv, json, jsonl/],
    ["run now", /run does not expect "now"/],
    ["schedules next", /needs <cron>/],
    ["schedules next 0 2", /does not expect "2" \| Put quotes/]
  ])("%p is rejected", (line, expected) => {
    expect(misuseOf(line)).toMatch(expected)
  })
})

describe("help", () => {
  const lines = (topic: ReadonlyArray<string>) =>
    (helpFor(topic, commands, "1.2.3") ?? "").split("\n")

  test("exists for every command and group, and no line is wider than a terminal", () => {
    const topics = commands.flatMap(({ name }) => [name.split(" "), name.split(" ").slice(0, 1)])
    for (const topic of [[], ...topics]) {
      const text = lines(topic)
      expect(text.length).toBeGreaterThan(2)
      expect(text.filter((line) => line.length > 100)).toEqual([])
    }
    expect(helpFor(["nope"], commands, "1.2.3")).toBeUndefined()
    expect(helpFor(["schedules", "nope"], commands, "1.2.3")).toBeUndefined()
  })

  test("lists every command, every flag and every exit code", () => {
    const root = lines([]).join("\n")
    expect(root).toContain("1.2.3")
    for (const { flags, name } of commands) {
      expect(root).toContain(name)
      const text = lines(name.split(" ")).join("\n")
      for (const flag of flags) expect(text).toContain(`--${flag.name}`)
    }
    for (const code of ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "128+n "]) {
      expect(root).toContain(`\n  ${code}`)
    }
  })

  test("marks optional arguments in the usage line", () => {
    const command: Command = {
      name: "explain",
      summary: "",
      positionals: [
        { name: "org", summary: "" },
        { name: "type", summary: "", optional: true }
      ],
      flags: [],
      examples: [],
      load: () => Promise.reject(new Error("not loaded"))
    }
    expect(usageOf(command)).toBe("sync-scheduler explain <org> [type] [flags]")
  })

  test("every example is a valid command line", () => {
    for (const { examples, name } of commands) {
      for (const example of examples) {
        const [line = ""] = example.split(/ [|>] /)
        const args = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
          (match) => match[1] ?? match[2] ?? match[3] ?? ""
        )
        const request = read(args.slice(1), commands)
        expect(request._tag === "Run" ? request.command.name : request).toBe(name)
      }
    }
  })
})
