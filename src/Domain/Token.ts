import { Context } from "effect"

/**
 * Where claim, lease and tick tokens come from: random UUIDs. A reference rather than a service, so that nobody has to
 * provide it, and a simulation can replace it by a seeded source.
 */
export class Token extends Context.Reference<Token>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
