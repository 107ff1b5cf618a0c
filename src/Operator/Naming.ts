import { Effect, Either } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { readNames } from "../Domain/OperatorRpc.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import { nearest } from "../Domain/Suggestion.ts"
import { Supabase } from "../Services/Supabase.ts"

/** An integration as people may name it. */
export type Named = (typeof readNames.result.Type)["integrations"][number]

/** Why a name leads nowhere, or to several, and what to write instead. */
export interface Misnomer {
  readonly why: string
  readonly fix: string
}

const READ_WITHIN_MS = 5_000
/** An id's beginning is taken for one only with so many digits: shorter ones are more likely names. */
const LEAST_DIGITS = 4
const LISTED = 6

/** Reads what integrations may be called, and what time it is for the database. */
export const readNamed: Effect.Effect<
  { readonly now: number; readonly integrations: ReadonlyArray<Named> },
  SupabaseError,
  Supabase
> = Effect.flatMap(Supabase, (supabase) =>
  supabase.call(readNames, {}).pipe(repeatFor(READ_WITHIN_MS))
)

/** What time it is for the database, whose clock all decisions go by. */
export const readClock: Effect.Effect<number, SupabaseError, Supabase> = Effect.flatMap(
  Supabase,
  (supabase) => supabase.call(readNames, { p_limit: 1 }).pipe(repeatFor(READ_WITHIN_MS))
).pipe(Effect.map(({ now }) => now))

/** `Acme AS / xledger`; an organisation without a name by its id. Not escaped: whoever shows it does. */
export const labelOf = (one: Pick<Named, "org_name" | "org_id" | "integration_type">): string =>
  `${one.org_name ?? one.org_id.slice(0, 8)} / ${one.integration_type}`

/** The shortest beginning of an id, at least eight digits, that no other of these ids has. */
export const shortIds = (ids: ReadonlyArray<string>): ((id: string) => string) => {
  const counts = new Map<string, number>()
  for (const id of new Set(ids)) {
    const short = id.slice(0, 8)
    counts.set(short, (counts.get(short) ?? 0) + 1)
  }
  return (id) => ((counts.get(id.slice(0, 8)) ?? 1) > 1 ? id : id.slice(0, 8))
}

/**
 * The integrations that these words mean: an organisation (its id, the beginning of its id, or its name, also a part of
 * it) or an integration (its id or the beginning of it); then, within an organisation, an integration (id, beginning of
 * it, or type). Case does not matter. Without the second word, all integrations of the organisation.
 */
export const resolve = (
  names: ReadonlyArray<Named>,
  first: string,
  second?: string
): Either.Either<ReadonlyArray<Named>, Misnomer> =>
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
): Either.Either<ReadonlyArray<Named>, Misnomer> => {
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
      why: `"${given}" could be ${orgs.size} organisations`,
      fix: `Write more of it, or the id: ${some([...orgs.values()].map((one) => `${shortId(one.org_id)} (${one.org_name ?? "no name"})`))}`
    })
  }
  const known = [...new Set(names.flatMap(({ org_name }) => (org_name === null ? [] : [org_name])))]
  const meant = nearest(
    text,
    known.map((name) => name.toLowerCase())
  )
  const name = known.find((one) => one.toLowerCase() === meant)
  return Either.left({
    why: `there is no organisation or integration "${given}"`,
    fix:
      name === undefined
        ? "See what there is: sync-scheduler schedules list"
        : `Did you mean "${name}"? See what there is: sync-scheduler schedules list`
  })
}

const integrationOf = (
  found: ReadonlyArray<Named>,
  given: string
): Either.Either<ReadonlyArray<Named>, Misnomer> => {
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
  const meant = nearest(
    text,
    types.map((type) => type.toLowerCase())
  )
  const type = types.find((one) => one.toLowerCase() === meant)
  return Either.left({
    why: `${found[0]?.org_name ?? found[0]?.org_id ?? "it"} has no integration "${given}"`,
    fix: `${type === undefined ? "" : `Did you mean "${type}"? `}It has: ${some(types)}`
  })
}

/** The one integration that is meant, or what to write to say which. */
export const single = (found: ReadonlyArray<Named>): Either.Either<Named, Misnomer> => {
  const [one, ...more] = found
  const shortId = shortIds(found.map(({ integration_id }) => integration_id))
  if (one !== undefined && more.length === 0) return Either.right(one)
  return Either.left({
    why: `that could be ${found.length} integrations`,
    fix: `Write which, by type or id: ${some(found.map((each) => `${each.integration_type} (${shortId(each.integration_id)})`))}`
  })
}

const some = (list: ReadonlyArray<string>): string =>
  list.length > LISTED
    ? `${list.slice(0, LISTED).join(", ")} and ${list.length - LISTED} more`
    : list.join(", ")
