import { expect } from "bun:test"
import { join } from "node:path"
import { type RunOptions, runBinary, runOnTerminal, type Typed } from "./runBinary.ts"

const FOLDER = join(import.meta.dir, "../transcripts")

export type Replacements = ReadonlyArray<readonly [what: RegExp | string, by: string]>

/** The output goes to a terminal if `columns` is set, otherwise to a pipe. */
export interface TranscriptOptions extends RunOptions {
  readonly columns?: number
  readonly typed?: ReadonlyArray<Typed>
  readonly replacements?: Replacements
}

export const transcriptOf = async (
  args: ReadonlyArray<string>,
  { columns, replacements = [], ...options }: TranscriptOptions
): Promise<string> => {
  const { code, shown } =
    columns === undefined ? await piped(args, options) : await onTerminal(args, columns, options)
  const line = ["sync-scheduler", ...args.map((arg) => (/[\s*]/.test(arg) ? `"${arg}"` : arg))]
  const text = `$ ${line.join(" ")}\n${shown.trimEnd()}\n[exit ${code}]\n`
  return replacements.reduce(
    (done, [what, by]) =>
      typeof what === "string" ? done.replaceAll(what, by) : done.replace(what, by),
    text
  )
}

const piped = async (args: ReadonlyArray<string>, options: RunOptions) => {
  const { code, stderr, stdout } = await runBinary(args, options)
  return { code, shown: `${stdout}${stderr}` }
}

/** Each progress line replaces the previous one. */
const onTerminal = async (
  args: ReadonlyArray<string>,
  columns: number,
  options: TranscriptOptions
) => {
  const env = { ...options.env, NO_COLOR: "1" }
  const { code, shown } = await runOnTerminal(args, columns, { ...options, env })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal sends control characters
  const settled = shown.replaceAll("\r\n", "\n").replaceAll(/[^\n]*\r\u001b\[K/g, "")
  return { code, shown: settled }
}

/** `UPDATE_TRANSCRIPTS=1 bun test ...` rewrites test/transcripts/<name>.txt. */
export const expectTranscript = async (name: string, text: string): Promise<void> => {
  const file = Bun.file(join(FOLDER, `${name}.txt`))
  if (process.env.UPDATE_TRANSCRIPTS === "1") await Bun.write(file, text)
  const committed = (await file.exists()) ? await file.text() : ""
  const hint = `${name}.txt (else: UPDATE_TRANSCRIPTS=1 bun test <the test>)`
  expect([hint, ...text.split("\n")]).toEqual([hint, ...committed.split("\n")])
}
