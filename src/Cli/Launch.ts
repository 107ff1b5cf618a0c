import { cleanEnvironment, hostileVariables } from "../Config/Ambient.ts"

/**
 * Replaces this process if an environment variable would change Bun's behaviour. The new process has the same ID, open files and
 * arguments. Returns null if no replacement is needed. Returns an exit code on Windows, where a process cannot be replaced.
 */
export const launch = (argv: ReadonlyArray<string>): number | null => {
  if (!Bun.isStandaloneExecutable) return null
  const environment = cleanEnvironment(process.env, argv)
  if (environment === null) return null
  try {
    process.execve?.(process.execPath, [process.argv0, ...argv], environment)
  } catch {
    // The code below reports the failure.
  }
  const names = hostileVariables.filter(({ name }) => process.env[name] && !environment[name])
  if (names.length === 0) return null
  const which = names.map(({ effect, name }) => `${name}, which ${effect}`).join("; ")
  process.stderr.write(
    `error: this program must not run with ${which}\n  fix: Unset ${names.map(({ name }) => name).join(" and ")}, and start the program again.\n`
  )
  return 2
}
