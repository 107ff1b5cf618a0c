import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

// This test needs zsh and fish: apt-get install --no-install-recommends zsh fish
let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-completions-"))
  for (const shell of ["zsh", "fish"]) {
    const { stdout } = await runBinary(["completions", shell])
    await Bun.write(join(directory, `completions.${shell}`), stdout)
  }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const run = async (command: Array<string>) => {
  const child = Bun.spawn(command, {
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH ?? "", HOME: directory, TERM: "dumb" }
  })
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  expect([await child.exited, stderr]).toEqual([0, ""])
  return stdout.trim().split("\n")
}

test("fish offers commands, second words, flags and their values", async () => {
  const complete = async (line: string) => {
    const script = `source ${directory}/completions.fish; complete -C '${line}'`
    const lines = await run(["fish", "--no-config", "-c", script])
    return lines.map((one) => one.split("\t")[0] ?? "")
  }
  expect(await complete("sync-scheduler che")).toEqual(["check"])
  expect(await complete("sync-scheduler schema ")).toContain("print")
  expect(await complete("sync-scheduler install k")).toEqual(["k8s"])
  expect(await complete("sync-scheduler check --ov")).toEqual(["--overdue"])
  expect(await complete("sync-scheduler run -o js")).toEqual(["json", "jsonl"])
  expect(await complete("sync-scheduler completions f")).toEqual(["fish"])
})

test("zsh loads the completions and offers the same words", async () => {
  // zsh completes only input that is typed on a terminal, and only if it shows the prompt and has no further input to read.
  const complete = async (line: string, completed: string) => {
    const script = `
      zmodload zsh/zpty
      zpty z 'HOME=${directory} zsh -f -i'
      zpty -w z 'unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -d ${directory}/dump; source ${directory}/completions.zsh; bindkey "^I" complete-word; PROMPT="rea""dy> "'
      zpty -r z out '*ready> *'
      zpty -w -n z '${line}'$'\\t'
      zpty -r z out '*${completed}*'
      print -r -- $out`
    return (await run(["timeout", "60", "zsh", "-f", "-c", script])).join("\n")
  }
  for (const [line, completed] of [
    ["sync-scheduler doct", "sync-scheduler doctor"],
    ["sync-scheduler check --ov", "--overdue"],
    ["sync-scheduler install sys", "install systemd"]
  ] as const) {
    expect(await complete(line, completed)).toContain(completed)
  }
})
