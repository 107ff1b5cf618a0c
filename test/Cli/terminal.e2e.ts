import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"

// Checks what a real terminal shows. These tests need tmux, and run only when this file is named on the command line.
setDefaultTimeout(120_000)

let fixture: FixtureDatabase
const socket = `sync-scheduler-${process.pid}`
const tmux = async (...args: ReadonlyArray<string>): Promise<string> => {
  const child = Bun.spawn(["tmux", "-u", "-L", socket, ...args], {
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C.UTF-8" }
  })
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  if ((await child.exited) !== 0) throw new Error(`tmux ${args[0]}: ${error}`)
  return out
}

beforeAll(async () => {
  await binaryPath()
  fixture = await openFixtureDatabase()
  await tmux("new-session", "-d", "-s", "keeper", "sleep", "600")
}, 120_000)
afterAll(async () => {
  await tmux("kill-server").catch(() => "")
  await fixture.close()
})

const bare = (text: string): string => text.replaceAll(/ +$/gm, "").trimEnd()

const screen = async (width: number, command: string): Promise<ReadonlyArray<string>> => {
  const done = `sync_scheduler_done_${width}_${Bun.hash(command)}`
  const line = `exec 2>&1; SUPABASE_DB_URL='${fixture.database.url}' '${await binaryPath()}' ${command}; tmux -L ${socket} wait-for -S ${done}; sleep 60`
  await tmux("new-session", "-d", "-s", done, "-x", String(width), "-y", "80", "sh", "-c", line)
  await tmux("wait-for", done)
  // -J joins lines that the terminal wrapped.
  const text = await tmux("capture-pane", "-p", "-J", "-t", done).then(bare)
  await tmux("kill-session", "-t", done)
  return text.trimEnd().split("\n")
}

for (const width of [80, 140]) {
  for (const command of [
    "status --all",
    "explain cyberdyne",
    "schedules list",
    "runs list",
    "runs show 07c886dd"
  ]) {
    test(`${command} at ${width} columns fits the screen, and only a command to paste may wrap`, async () => {
      const lines = await screen(width, command)
      expect(lines.length).toBeGreaterThan(5)
      for (const line of lines) {
        if (!line.includes("sync-scheduler ")) {
          expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width)
        }
        expect(line).not.toContain("\u202e")
      }
      // Columns are aligned with their headings, even after wide characters.
      const titles = lines.findIndex((line) =>
        /^(STATE|NEXT|RESULT|DUE|WHEN)( \([^)]+\))? {2,}/.test(line)
      )
      const column = lines[titles]?.search(/(?<= {2})\S/) ?? -1
      for (const row of lines
        .slice(titles + 1)
        .filter((line) => /^(\S+ )?\S.* {2,}\S/.test(line))) {
        if (/^( {4}|\.\.\.|! (?!invalid)|Next|Why|More|Run|It|\d+ more)/.test(row)) continue
        expect([row, row.slice(column - 2, column)]).toEqual([row, "  "])
      }
    })
  }
}
