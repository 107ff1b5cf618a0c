/** The types of engine.js, which is `src/edge.ts` in bundled form. A test compares the types with `src/edge.ts`. */
export interface EdgeEngine {
  /**
   * Runs one tick within the function's time limit. If `signal` aborts, rejects after the outcomes of the runs in flight have
   * been recorded.
   */
  readonly tick: (signal?: AbortSignal) => Promise<{
    /** Whether the tick itself succeeded. */
    readonly ok: boolean
    readonly summary: Readonly<Record<string, unknown>>
  }>
  /** Redeems a ticket. Resolves to false if the database did not issue the ticket or the ticket was already used. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/** Creates the engine. Throws if settings are missing or malformed; the message lists all such settings. */
export const makeEdgeEngine: (
  environment: Readonly<Record<string, string | undefined>>
) => EdgeEngine
