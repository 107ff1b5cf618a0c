import { join, resolve } from "node:path"
import type { BunPlugin } from "bun"

const sources = join(resolve(import.meta.dir, ".."), "src")
const BARREL = /^import \{([^}]*)\} from "effect"$/gm

/**
 * Replaces `import { Effect } from "effect"` with an import of the module itself, `import * as Effect from "effect/Effect"`.
 * If files import from the main entry point `effect`, the bundler puts every Effect module that any command uses into one
 * chunk, and every command evaluates the whole chunk.
 */
export const directImports: BunPlugin = {
  name: "direct imports of effect",
  setup: (build) => {
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text()
      return { contents: path.startsWith(sources) ? withDirectImports(text) : text, loader: "ts" }
    })
  }
}

/** Preserves the line count, so that stack traces remain correct. */
export const withDirectImports = (text: string): string =>
  text.replaceAll(BARREL, (whole, names: string) => {
    const imports = names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map(importOf)
    return imports.join("; ") + "\n".repeat(whole.split("\n").length - 1)
  })

const importOf = (specifier: string): string => {
  if (specifier.startsWith("type ")) return `import type { ${specifier.slice(5)} } from "effect"`
  const [name = "", local = name] = specifier.split(" as ")
  // The main entry point also exports a few functions, such as identity.
  return /^[a-z]/.test(name)
    ? `import { ${name} as ${local} } from "effect/Function"`
    : `import * as ${local} from "effect/${name}"`
}
