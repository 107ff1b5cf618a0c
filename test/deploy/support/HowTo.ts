import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../functions/support/DenoServer.ts"

/** Fills in the placeholders of the code blocks. *Throws* if a placeholder is missing. */
export const blocksOf = (
  page: string,
  language: string,
  values: Readonly<Record<string, string>>
): ReadonlyArray<string> => {
  let text = readFileSync(join(root, "docs/how-to", page), "utf8")
  for (const [placeholder, value] of Object.entries(values)) {
    if (!text.includes(placeholder)) throw new Error(`${page} does not say ${placeholder}`)
    text = text.replaceAll(placeholder, value)
  }
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))
  return [...blocks].map(([, block]) => block ?? "")
}
