import { join, resolve } from "node:path"
import type { BunPlugin } from "bun"

const sources = join(resolve(import.meta.dir, ".."), "src")
const BARREL = /^import \{([^}]*)\} from "effect"$/gm

/**
 * Replaces `import { Effect } from "effect"` with `import * as Effect from "effect/Effect"`. Imports from `effect` make the
 * bundler put all used Effect modules into one chunk, which every command evaluates.
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
