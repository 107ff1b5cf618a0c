import { Effect, Either } from "effect"
import {
  type Misnomer,
  type Named,
  readClock,
  readNamed,
  resolve,
  single
} from "../Operator/Naming.ts"
import type { Scope } from "../Services/Ledger.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Arguments } from "./Command.ts"
import { databaseError } from "./Database.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { isUuid } from "./Values.ts"

const misnamed = ({ fix, why }: Misnomer): CommandError => usageError(why, fix)

const named = Effect.mapError(readNamed, databaseError)

/** What time it is for the database: "yesterday" is what it is there. */
export const databaseNow: Effect.Effect<number, CommandError, Supabase> = Effect.mapError(
  readClock,
  databaseError
)

/** The integrations that `<org> [integration]` names; at least one. */
export const targets = (
  org: string,
  integration?: string
): Effect.Effect<ReadonlyArray<Named>, CommandError, Supabase> =>
  Effect.flatMap(named, ({ integrations }) =>
    Either.mapLeft(resolve(integrations, org, integration), misnamed)
  )

/** The one integration that `<org> [integration]` names. *Fails with* which there are, when there are several. */
export const target = (
  org: string,
  integration?: string
): Effect.Effect<Named, CommandError, Supabase> =>
  Effect.flatMap(targets(org, integration), (found) => Either.mapLeft(single(found), misnamed))

/** What `--org` and `--integration` leave: undefined when neither is given. */
export const scopeOf = (
  given: Pick<Arguments, "value" | "values">
): Effect.Effect<ReadonlyArray<string> | undefined, CommandError, Supabase> =>
  Effect.gen(function* () {
    const org = given.value("org")
    const integrations = given.values("integration")
    if (org === undefined && integrations.length === 0) return undefined
    const { integrations: names } = yield* named
    const inOrg = org === undefined ? names : yield* Either.mapLeft(resolve(names, org), misnamed)
    if (integrations.length === 0) return inOrg.map(({ integration_id }) => integration_id)
    const found = yield* Effect.forEach(integrations, (text) => {
      const either = org === undefined ? byIntegration(names, text) : resolve(inOrg, org, text)
      return Either.mapLeft(either, misnamed)
    })
    return [...new Set(found.flat().map(({ integration_id }) => integration_id))]
  })

/** Without an organisation: by type, all of that type; else as an id. */
const byIntegration = (
  names: ReadonlyArray<Named>,
  text: string
): Either.Either<ReadonlyArray<Named>, Misnomer> => {
  const typed = names.filter(
    ({ integration_type }) => integration_type.toLowerCase() === text.toLowerCase()
  )
  return typed.length > 0 ? Either.right(typed) : resolve(names, text)
}

/**
 * `--org` and `--integration` of an audit. Whole ids are taken as they are: what was deleted has no name any more, but it
 * has slots.
 */
export const auditScope = (
  given: Pick<Arguments, "value" | "values">
): Effect.Effect<Scope, CommandError, Supabase> =>
  Effect.gen(function* () {
    const org = given.value("org")
    const integrations = given.values("integration")
    const isId = [...(org === undefined ? [] : [org]), ...integrations].every(isUuid)
    if (!isId) {
      const ids = yield* scopeOf(given)
      const orgs = org === undefined || integrations.length > 0 ? [] : yield* targets(org)
      return integrations.length === 0 ? { orgId: orgs[0]?.org_id } : { integrationIds: ids }
    }
    const ids = integrations.map((id) => id.toLowerCase())
    return { orgId: org?.toLowerCase(), integrationIds: ids.length === 0 ? undefined : ids }
  })
