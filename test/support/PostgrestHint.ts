import { errorAnswer } from "./PostgrestError.ts"
import type { RpcFunction } from "./RpcFunction.ts"

/** The hint suggests a similar overload or function. PostgREST uses a more complex similarity measure. */
export const functionMissing = (
  fn: string,
  given: ReadonlySet<string>,
  all: ReadonlyMap<string, ReadonlyArray<RpcFunction>>
): Response => {
  const names = [...given].toSorted()
  const name = `public.${fn}`
  const listed = names.join(", ")
  const one = names.length === 1 ? "" : "s"
  const searched = names.length === 0 ? " without parameters" : ` with parameter${one} ${listed}`
  const others = all.get(fn)
  const near =
    others === undefined
      ? nearest(fn, [...all.keys()], NEAR_NAME)
      : nearest(
          listOf(names),
          others.map(({ args }) => listOf(args.map((arg) => arg.name))),
          0
        )
  const meant = others === undefined ? near : near && `${fn}${near}`
  return errorAnswer(
    404,
    "PGRST202",
    `Could not find the function ${name}${names.length === 0 ? " without parameters" : `(${listed})`} in the schema cache`,
    {
      details: `Searched for the function ${name}${searched} or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.`,
      hint: meant === undefined ? null : `Perhaps you meant to call the function public.${meant}`
    }
  )
}

export const textFunctionMissing = (fn: string): Response =>
  errorAnswer(404, "PGRST202", `Could not find the function public.${fn} in the schema cache`, {
    details: `Searched for the function public.${fn} with a single unnamed text parameter, but no matches were found in the schema cache.`
  })

export const functionAmbiguous = (fn: string, fitting: ReadonlyArray<RpcFunction>): Response => {
  const signatures = fitting.map(
    ({ args }) => `public.${fn}(${args.map((arg) => `${arg.name} => ${arg.type}`).join(", ")})`
  )
  return errorAnswer(
    300,
    "PGRST203",
    `Could not choose the best candidate function between: ${signatures.join(", ")}`,
    {
      hint: "Try renaming the parameters or the function itself in the database so function overloading can be resolved"
    }
  )
}

/** The minimum similarity (0 to 1) of a suggested name. */
const NEAR_NAME = 0.75

const listOf = (names: ReadonlyArray<string>): string => `(${names.toSorted().join(", ")})`

/** The candidate needs a similarity of at least `least` (0 to 1) and a pair of characters in common with `text`. */
const nearest = (
  text: string,
  candidates: ReadonlyArray<string>,
  least: number
): string | undefined => {
  const pairs = pairsOf(text)
  const [best] = candidates
    .filter((one) => [...pairsOf(one)].some((pair) => pairs.has(pair)))
    .map((one) => ({ one, like: similarity(text.toLowerCase(), one.toLowerCase()) }))
    .filter(({ like }) => like >= least)
    .toSorted((a, b) => b.like - a.like)
  return best?.one
}

/** Returns the pairs of adjacent characters, with a marker at both ends. */
const pairsOf = (text: string): ReadonlySet<string> => {
  const padded = `-${text.toLowerCase().replaceAll(/[^a-z0-9, ]/g, "")}-`
  return new Set(Array.from({ length: padded.length - 1 }, (_, n) => padded.slice(n, n + 2)))
}

const similarity = (a: string, b: string): number =>
  1 - distance(a, b) / Math.max(a.length, b.length, 1)

/** The Levenshtein distance. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
