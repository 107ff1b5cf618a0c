import { endOf } from "../support/runBinary.ts"

/** Runs a command to its end, with only PATH and HOME of this process's environment. */
export const run = (
  command: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {}
) => {
  const { PATH = "", HOME = "" } = process.env
  return endOf(
    Bun.spawn([...command], {
      cwd,
      env: { PATH, HOME, NO_COLOR: "1", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe"
    })
  )
}
