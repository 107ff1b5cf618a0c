export interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
  readonly dynamic: boolean
}

const REGEX_MAY_FOLLOW = /(?:[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|yield|await))$/

/** Returns `source.length` if the string or regular expression is unterminated. */
const endOfQuoted = (source: string, from: number): number => {
  const quote = source[from]
  let inClass = false
  for (let at = from + 1; at < source.length; at++) {
    const character = source[at]
    if (character === "\\") at++
    else if (quote === "/" && character === "[") inClass = true
    else if (quote === "/" && character === "]") inClass = false
    else if (character === quote && !inClass) return at + 1
  }
  return source.length
}

/** Returns undefined if no comment starts at `from`. */
const endOfComment = (source: string, from: number): number | undefined => {
  const opening = source.slice(from, from + 2)
  if (opening !== "//" && opening !== "/*") return undefined
  const end = source.indexOf(opening === "//" ? "\n" : "*/", from + 2)
  if (end < 0) return source.length
  return opening === "//" ? end : end + 2
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ")

/**
 * Blanks out comments and, unless `strings` is "keep", strings, templates and regular expressions. All positions stay unchanged.
 * Handles this project's formatted sources, not all of TypeScript.
 */
export const codeOf = (source: string, strings: "blank" | "keep" = "blank"): string => {
  let code = ""
  /** For each unfinished template, the number of open braces inside its `${`. */
  const templates: Array<number> = []
  const copyTemplateText = (from: number): number => {
    let at = from
    while (at < source.length && source[at] !== "`" && source.slice(at, at + 2) !== "${") {
      at += source[at] === "\\" ? 2 : 1
    }
    const text = source.slice(from, at)
    code += strings === "keep" ? text : blank(text)
    if (source[at] === "$") {
      templates.push(0)
      code += "${"
      return at + 2
    }
    code += "`"
    return at + 1
  }
  let at = 0
  while (at < source.length) {
    const character = source.charAt(at)
    const afterComment = endOfComment(source, at)
    const open = templates.at(-1)
    if (afterComment !== undefined) {
      code += blank(source.slice(at, afterComment))
      at = afterComment
    } else if (
      character === '"' ||
      character === "'" ||
      (character === "/" && REGEX_MAY_FOLLOW.test(code.trimEnd()))
    ) {
      const end = endOfQuoted(source, at)
      const text = source.slice(at + 1, end - 1)
      code += character + (strings === "keep" ? text : blank(text)) + character
      at = end
    } else if (character === "`") {
      code += character
      at = copyTemplateText(at + 1)
    } else if (character === "}" && open === 0) {
      templates.pop()
      code += character
      at = copyTemplateText(at + 1)
    } else {
      if (open !== undefined && character === "{") templates[templates.length - 1] = open + 1
      if (open !== undefined && character === "}") templates[templates.length - 1] = open - 1
      code += character
      at++
    }
  }
  return code
}

const FROM = /^[ \t]*(?:import|export)\s+(type\s+)?[\w\s{},*$]*?\bfrom\s*"([^"]+)"/gm
const BARE = /^[ \t]*import\s*"([^"]+)"/gm
const DYNAMIC = /\bimport\(\s*(?:"([^"]+)")?/g

/** Returns the matches that are code rather than quoted text. */
const statements = (source: string, pattern: RegExp): ReadonlyArray<RegExpMatchArray> => {
  const code = codeOf(source)
  return [...codeOf(source, "keep").matchAll(pattern)].filter((match) =>
    /\b(import|export)\b/.test(code.slice(match.index, (match.index ?? 0) + match[0].length))
  )
}

/** Includes type imports, which Bun's own scanner drops. A computed target becomes `(computed)`. */
export const importsOf = (source: string): ReadonlyArray<Import> => [
  ...statements(source, FROM).map(([, type, specifier]) => ({
    specifier: specifier ?? "",
    typeOnly: type !== undefined,
    dynamic: false
  })),
  ...statements(source, BARE).map(([, specifier]) => ({
    specifier: specifier ?? "",
    typeOnly: false,
    dynamic: false
  })),
  ...statements(source, DYNAMIC).map(([, specifier]) => ({
    specifier: specifier ?? "(computed)",
    typeOnly: false,
    dynamic: true
  }))
]

/** Otherwise, `import * as` would look like a type assertion. */
export const codeWithoutImports = (source: string): string => {
  let code = codeOf(source)
  for (const { 0: statement, index = 0 } of statements(source, FROM)) {
    code = code.slice(0, index) + blank(statement) + code.slice(index + statement.length)
  }
  return code
}
