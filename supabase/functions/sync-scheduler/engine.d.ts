/** The types of engine.js, which is `src/edge.ts` of Sync Scheduler, bundled. A test compares the two. */
export interface EdgeEngine {
  /** One tick, within the function's wall clock. Rejects when `signal` aborts, after the runs in flight are recorded. */
  readonly tick: (signal?: AbortSignal) => Promise<{
    /** Whether the tick itself succeeded. */
    readonly ok: boolean
    readonly summary: Readonly<Record<string, unknown>>
  }>
  /** Redeems a ticket. Resolves to whether the database issued it and it was unused. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/** Creates the engine. Throws if a setting is missing or malformed; the message lists all such settings. */
export const makeEdgeEngine: (
  environment: Readonly<Record<string, string | undefined>>
) => EdgeEngine
