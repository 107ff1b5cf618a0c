import { probeQuietly } from "../Engine/Probing.ts"
import type { Job } from "./Job.ts"

/** How often it is looked whether an accounting API has been silent for long enough; that costs one read. */
const LOOK_EVERY_MS = 60_000

/** Probes accounting APIs after silence, where there is a Prober. */
export const probing = () =>
  ({
    name: "probing",
    everyMs: LOOK_EVERY_MS,
    turn: probeQuietly
  }) satisfies Job<unknown>
