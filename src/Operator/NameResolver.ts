import { Effect, Either } from "effect"
import { readNames } from "../Database/OperatorRpc.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import { closestMatch } from "../Domain/DidYouMean.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Supabase } from "../Services/Supabase.ts"

/** An integration with the names that people use for it. */
export type Named = (typeof readNames.result.Type)["integrations"][number]

/** Why a name matches no integration or several integrations, and what to write instead. */
export interface UnresolvedName {
  readonly why: string
  readonly fix: string
}

const READ_WITHIN_MS = 5_000
/** The minimum number of digits in an id prefix. Shorter words are treated as names. */
const LEAST_DIGITS = 4
const LISTED = 6

export const readNamed: Effect.Effect<
  { readonly now: number; readonly integrations: ReadonlyArray<Named> },
  SupabaseError,
  Supabase
> = Effect.flatMap(Supabase, (supabase) =>
  supabase.call(readNames, {}).pipe(retryFor(READ_WITHIN_MS))
)

/** Reads the database's time. */
export const readClock: Effect.Effect<number, SupabaseError, Supabase> = Effect.flatMap(
  Supabase,
  (supabase) => supabase.call(readNames, { p_limit: 1 }).pipe(retryFor(READ_WITHIN_MS))
).pipe(Effect.map(({ now }) => now))

/** Returns `Acme AS / xledger`. The caller must escape the name. */
export const displayName = (one: Pick<Named, "org_name" | "org_id" | "integration_type">): string =>
  `${one.org_name ?? one.org_id.slice(0, 8)} / ${one.integration_type}`

/** Returns a function that shortens an id to eight digits, unless another one of `ids` starts with the same digits. */
export const shortIds = (ids: ReadonlyArray<string>): ((id: string) => string) => {
  const counts = new Map<string, number>()
  for (const id of new Set(ids)) {
    const short = id.slice(0, 8)
    counts.set(short, (counts.get(short) ?? 0) + 1)
  }
  return (id) => ((counts.get(id.slice(0, 8)) ?? 1) > 1 ? id : id.slice(0, 8))
}

/**
 * Resolves words to integrations, ignoring case. `first` matches an organisation by id, id prefix or part of its name, or an
 * integration by id or id prefix. `second` matches one of the organisation's integrations by id, id prefix or type.
 */
export const resolveName = (
  names: ReadonlyArray<Named>,
  first: string,
  second?: string
): Either.Either<ReadonlyArray<Named>, UnresolvedName> =>
  Either.flatMap(organisationOf(names, first), (found) =>
    second === undefined ? Either.right(found) : integrationOf(found, second)
  )

const isIdOf = (id: string, text: string): boolean =>
  text.replaceAll("-", "").length >= LEAST_DIGITS &&
  /^[0-9a-f-]+$/.test(text) &&
  id.startsWith(text)

const organisationOf = (
  names: ReadonlyArray<Named>,
  given: string
): Either.Either<ReadonlyArray<Named>, UnresolvedName> => {
  const text = given.trim().toLowerCase()
  const ways: ReadonlyArray<(one: Named) => boolean> = [
    ({ org_id }) => org_id === text,
    ({ integration_id }) => integration_id === text,
    ({ org_name }) => org_name?.trim().toLowerCase() === text,
    ({ integration_id, org_id }) => isIdOf(org_id, text) || isIdOf(integration_id, text),
    ({ org_name }) => text !== "" && (org_name?.toLowerCase().includes(text) ?? false)
  ]
  for (const way of ways) {
    const found = names.filter(way)
    if (found.length === 0) continue
    const orgs = new Map(found.map((one) => [one.org_id, one]))
    const shortId = shortIds([...orgs.keys()])
    if (orgs.size === 1) return Either.right(found)
    return Either.left({
      why: `"${given}" matches ${orgs.size} organisations`,
      fix: `Write more of the name, or the id: ${some([...orgs.values()].map((one) => `${shortId(one.org_id)} (${one.org_name ?? "no name"})`))}`
    })
  }
  const known = [...new Set(names.flatMap(({ org_name }) => (org_name === null ? [] : [org_name])))]
  const words = new Map(known.flatMap((name) => wordsOf(name).map((word) => [word, name])))
  const name = words.get(closestMatch(text, [...words.keys()]) ?? "")
  return Either.left({
    why: `there is no organisation or integration "${given}"`,
    fix:
      name === undefined
        ? "See all integrations: sync-scheduler schedules list"
        : `Did you mean "${name}"? See all integrations: sync-scheduler schedules list`
  })
}

/** Returns the whole name and each of its longer words. */
const wordsOf = (name: string): ReadonlyArray<string> => {
  const whole = name.trim().toLowerCase()
  return [...whole.split(/[^\p{L}\p{N}]+/u).filter(({ length }) => length > 3), whole]
}

const integrationOf = (
  found: ReadonlyArray<Named>,
  given: string
): Either.Either<ReadonlyArray<Named>, UnresolvedName> => {
  const text = given.trim().toLowerCase()
  const ways: ReadonlyArray<(one: Named) => boolean> = [
    ({ integration_id }) => integration_id === text,
    ({ integration_type }) => integration_type.toLowerCase() === text,
    ({ integration_id }) => isIdOf(integration_id, text)
  ]
  for (const way of ways) {
    const those = found.filter(way)
    if (those.length > 0) return Either.right(those)
  }
  const types = [...new Set(found.map(({ integration_type }) => integration_type))]
  const meant = closestMatch(
    text,
    types.map((type) => type.toLowerCase())
  )
  const type = types.find((one) => one.toLowerCase() === meant)
  return Either.left({
    why: `${found[0]?.org_name ?? found[0]?.org_id ?? "it"} has no integration "${given}"`,
    fix: `${type === undefined ? "" : `Did you mean "${type}"? `}It has: ${some(types)}`
  })
}

/** Fails if there is not exactly one match. */
export const single = (found: ReadonlyArray<Named>): Either.Either<Named, UnresolvedName> => {
  const [one, ...more] = found
  const shortId = shortIds(found.map(({ integration_id }) => integration_id))
  if (one !== undefined && more.length === 0) return Either.right(one)
  return Either.left({
    why: `${found.length} integrations match`,
    fix: `Choose one by type or id: ${some(found.map((each) => `${each.integration_type} (${shortId(each.integration_id)})`))}`
  })
}

const some = (list: ReadonlyArray<string>): string =>
  list.length > LISTED
    ? `${list.slice(0, LISTED).join(", ")} and ${list.length - LISTED} more`
    : list.join(", ")
