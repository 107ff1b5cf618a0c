import { Context } from "effect"

/**
 * The source of fetch, claim, lease and tick tokens: random UUIDs. The tag is a reference rather than a service, so that the source
 * has a default and a simulation can replace it with a seeded source.
 */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
