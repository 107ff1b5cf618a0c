import { Context } from "effect"

/**
 * Generates fetch, claim, lease and tick tokens as random UUIDs. A Context.Reference rather than a Context.Tag, because a reference
 * has a default value. A simulation replaces the default with a seeded generator.
 */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
