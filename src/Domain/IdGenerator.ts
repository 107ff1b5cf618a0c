import { Context } from "effect"

/**
 * Generates random UUIDs as tokens for fetches, claims, leases and ticks. A Context.Reference, unlike a Context.Tag, has a default
 * value; simulations replace the default with a seeded generator.
 */
export class IdGenerator extends Context.Reference<IdGenerator>()("@sync-scheduler/Token", {
  defaultValue: (): { readonly next: () => string } => ({ next: () => crypto.randomUUID() })
}) {}
