import { posix } from "node:path"

/** Pages outside docs/: the path relative to the root, and the name on the site. */
const OUTSIDE: Readonly<Record<string, string>> = {
  "README.md": "overview.md",
  "docs/README.md": "documentation.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "SECURITY.md": "security.md",
  "examples/README.md": "examples.md",
  "supabase/functions/README.md": "reference/functions.md"
}

export const outsidePages: ReadonlyArray<string> = Object.keys(OUTSIDE)

/** Returns the site page for a Markdown file, such as `how-to/alerts.md`, or undefined if the file has no page. */
export const pageOf = (path: string): string | undefined => {
  const named = OUTSIDE[path]
  if (named !== undefined) return named
  if (!path.startsWith("docs/") || !path.endsWith(".md")) return undefined
  return path.slice("docs/".length).replace(/README\.md$/, "index.md")
}

/** Returns the address of a file that is not a page. Adds `.txt` if browsers would otherwise download the file. */
export const fileOf = (path: string): string =>
  `files/${/\.(json|yaml|svg|png)$/.test(path) ? path : `${path}.txt`}`

export const targetOf = (
  from: string,
  link: string
): { readonly path: string; readonly anchor: string } => {
  const [file = "", anchor] = link.split("#")
  return {
    path: file === "" ? from : posix.join(posix.dirname(from), file),
    anchor: anchor === undefined ? "" : `#${anchor}`
  }
}

/** Returns GitHub's anchor for a heading. The site uses the same anchors. */
export const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-")
