import { Context } from "effect"

/**
 * Generates fetch, claim, lease and tick tokens as random UUIDs. A Context.Reference, unlike a Context.Tag, has a default value;
 * simulations replace it with a seeded generator.
 */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
