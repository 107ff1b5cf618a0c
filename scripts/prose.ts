/**
 * Checks the wording of every text file in the repository. `.textlintrc.json` lists the terms to avoid, each with its
 * replacement. cspell checks the spelling. Code in Markdown is ignored. Other files are checked whole, with comment markers
 * blanked, so that a term is found across a line break.
 */
import { join, resolve } from "node:path"
import {
  TextlintKernel,
  type TextlintKernelPlugin,
  type TextlintPluginProcessor
} from "@textlint/kernel"
import markdown from "@textlint/textlint-plugin-markdown"
import { $ } from "bun"
import rule from "textlint-rule-terminology"
import settings from "../.textlintrc.json"

const root = resolve(import.meta.dir, "..")
const NOT_PROSE = /\.(png|svg|pem|json|lock)$|^LICENSE$/
const COMMENT_MARK = /^([ \t]*)(\/\/|\/?\*+\/?|--|#+)/gm

const parseSource = (source: string) => {
  const text = source.replace(COMMENT_MARK, (mark) => " ".repeat(mark.length))
  const lines = text.split("\n")
  const start = { line: 1, column: 0 }
  const end = { line: lines.length, column: lines.at(-1)?.length ?? 0 }
  const range: readonly [number, number] = [0, text.length]
  const place = { raw: text, range, loc: { start, end } }
  const words = { type: "Str" as const, value: text, ...place }
  const paragraph = { type: "Paragraph" as const, children: [words], ...place }
  return { text, ast: { type: "Document" as const, children: [paragraph], ...place } }
}

class SourceProcessor implements TextlintPluginProcessor {
  availableExtensions = () => [".txt"]
  processor: TextlintPluginProcessor["processor"] = () => ({
    preProcess: parseSource,
    postProcess: (messages, filePath = "") => ({ messages, filePath })
  })
}

const plugins: Array<TextlintKernelPlugin> = [
  { pluginId: "markdown", plugin: markdown },
  { pluginId: "source", plugin: { Processor: SourceProcessor } }
]
const kernel = new TextlintKernel()
const options = settings.rules.terminology
const tracked = (await $`git ls-files -z`.cwd(root).text()).split("\0")
const files = tracked.filter((path) => path !== "" && !NOT_PROSE.test(path))

let found = 0
for (const path of files) {
  const { messages } = await kernel.lintText(await Bun.file(join(root, path)).text(), {
    ext: path.endsWith(".md") ? ".md" : ".txt",
    filePath: path,
    plugins,
    rules: [{ ruleId: "terminology", rule, options }]
  })
  for (const { line, column, message } of messages) {
    console.error(`${path}:${line}:${column} ${message}`)
  }
  found += messages.length
}
console.log(`${files.length} files: ${found} terms to replace`)
process.exitCode = found === 0 ? 0 : 1
