export type Patched =
  | { readonly _tag: "Patched"; readonly text: string }
  | { readonly _tag: "ByHand"; readonly why: string }

type Table = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const tableOf = (value: unknown): Table => (isTable(value) ? value : {})

export const sectionOf = (name: string): string => `[functions.${name}]\nverify_jwt = false\n`

/**
 * Adds `verify_jwt = false` for these functions, because the platform's JWT check rejects secret keys (sb_secret_...). The
 * functions authenticate their callers themselves. Changes an existing section in place, and appends a missing section.
 * *Guarantees*: everything else is preserved, including comments and order.
 */
export const patchConfig = async (
  text: string,
  functions: ReadonlyArray<string>
): Promise<Patched> => {
  const { parse, patch } = await import("@decimalturn/toml-patch")
  const read = (source: string): unknown => {
    try {
      return parse(source)
    } catch (error) {
      return error
    }
  }
  let patched = text
  for (const name of functions) {
    const value = read(patched)
    if (!isTable(value) || value instanceof Error) {
      const why = value instanceof Error ? (value.message.split("\n")[0] ?? "") : "not a table"
      return { _tag: "ByHand", why: `supabase/config.toml cannot be read as TOML: ${why}` }
    }
    const all = tableOf(value.functions)
    if (tableOf(all[name]).verify_jwt === false) continue
    const wanted = {
      ...value,
      functions: { ...all, [name]: { ...tableOf(all[name]), verify_jwt: false } }
    }
    const next = [
      append(patched, name),
      insert(patched, name),
      patch(patched, wanted, { inlineTableStart: 2 })
    ].find((candidate) => Bun.deepEquals(read(candidate), wanted))
    if (next === undefined) {
      return { _tag: "ByHand", why: `[functions.${name}] has a form that this command cannot edit` }
    }
    patched = next
  }
  return { _tag: "Patched", text: patched }
}

/** Keeps the file's line endings. */
const append = (text: string, name: string): string => {
  const isReturned = text.includes("\r\n")
  const end = text === "" || text.endsWith("\n") ? "" : "\n"
  const section = `${end}${text === "" ? "" : "\n"}${sectionOf(name)}`
  return text + (isReturned ? section.replaceAll("\n", "\r\n") : section)
}

/** Inserts the setting at the start of the section, because comments at the end can belong to the next section. */
const insert = (text: string, name: string): string =>
  text.replace(
    new RegExp(`^[ \\t]*\\[ *functions *\\. *(["']?)${name}\\1 *\\].*(\r?\n|$)`, "m"),
    (header, _quote: string, end: string) =>
      end === "" ? `${header}\nverify_jwt = false` : `${header}verify_jwt = false${end}`
  )

/** Whether `supabase db reset` reads supabase/seed.sql. */
export const readsSeed = async (text: string): Promise<boolean> => {
  const { parse } = await import("@decimalturn/toml-patch")
  const seed = tableOf(tableOf(tableOf(parse(text)).db).seed)
  const paths = seed.sql_paths ?? ["./seed.sql"]
  return (
    seed.enabled !== false &&
    Array.isArray(paths) &&
    paths.some((path) => path === "./seed.sql" || path === "seed.sql")
  )
}
