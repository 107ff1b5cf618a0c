import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { commonFlags } from "../../../src/Cli/Arguments.ts"
import { commands } from "../../../src/Cli/Commands.ts"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

beforeAll(() => binaryPath())

describe("shell completions", () => {
  test("bash offers every existing command, flag and value, and no others", async () => {
    const { stdout } = await runBinary(["completions", "bash"])
    const asked: Array<ReadonlyArray<string>> = []
    const expected: Array<string> = []
    const ask = (words: ReadonlyArray<string>, answer: ReadonlyArray<string>) => {
      asked.push(words)
      expected.push(answer.join(" "))
    }
    const firsts = [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))]
    ask([""], [...firsts, "help", "version", "--help", "--version"])
    for (const command of commands) {
      const words = command.name.split(" ")
      const flags = [...command.flags, ...commonFlags]
      const choices = command.positionals.flatMap((one) => one.choices ?? [])
      ask([...words, ""], [...choices, ...flags.map(({ name }) => `--${name}`)])
      for (const flag of flags) {
        if (flag.value !== undefined)
          ask([...words, `--${flag.name}`, ""], [...(flag.choices ?? [])])
      }
    }
    ask(["schedules", "next", "--co"], ["--count"])
    ask(["run", "-o", ""], ["text", "tsv", "json", "jsonl"])
    const lines = asked.map((words) => {
      const line = ["sync-scheduler", ...words].map((word) => `'${word}'`).join(" ")
      return `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _sync_scheduler; echo "\${COMPREPLY[*]}"`
    })
    const child = Bun.spawn(["bash", "-c", [stdout, ...lines].join("\n")], { stdout: "pipe" })
    const answers = (await new Response(child.stdout).text()).split("\n").slice(0, -1)
    expect(answers.map((line, n) => `${asked[n]?.join(" ")} -> ${line}`)).toEqual(
      expected.map((line, n) => `${asked[n]?.join(" ")} -> ${line}`)
    )
  })

  test("zsh and fish are supported; any other shell is rejected", async () => {
    const zsh = await runBinary(["completions", "zsh"])
    expect(zsh.stdout).toStartWith("#compdef sync-scheduler")
    const fish = await runBinary(["completions", "fish"])
    expect(fish.stdout).toContain("complete -c sync-scheduler")
    expect(fish.stdout).toContain("-l dry-run")
    const other = await runBinary(["completions", "csh"])
    expect(other.code).toBe(2)
  })
})
