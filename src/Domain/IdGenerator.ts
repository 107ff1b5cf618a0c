import { Context } from "effect"

/**
 * Generates fetch, claim, lease and tick tokens as random UUIDs. A reference rather than a service, so that it has a default and a
 * simulation can replace it with a seeded generator.
 */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
