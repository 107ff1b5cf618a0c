import type { Fault, GatewayCall } from "../support/GatewayFaults.ts"
import { RESET } from "../support/HttpServer.ts"
import type { Gate } from "./EffectLedger.ts"

/** A moment in a run's life at which an engine dies. Found from outside: by a call it makes, or by where its function stands. */
export interface KillPoint {
  readonly name: string
  /** SQL functions whose call marks the moment. */
  readonly calls?: ReadonlyArray<string>
  /** Where the function stands, as it tells the ledger. */
  readonly gates?: ReadonlyArray<string>
  /**
   * What becomes of the call while its engine dies: it never reaches the database, it is committed and the answer is lost, one
   * of these by chance, it goes on as if nothing had happened (sooner or later), or it is answered as usual.
   */
  readonly call: "lost" | "committed" | "lost or committed" | "goes on" | "answered"
}

/** The ten moments at which a death could lose or double a run. */
export const killPoints: ReadonlyArray<KillPoint> = [
  { name: "claim, before its commit", calls: ["claim_sync_runs"], call: "lost" },
  { name: "claim, after its commit", calls: ["claim_sync_runs"], call: "committed" },
  { name: "start committed, nothing sent", calls: ["start_sync_runs"], call: "committed" },
  {
    name: "function called, not begun",
    calls: ["begin_sync_run"],
    gates: ["called"],
    call: "goes on"
  },
  { name: "function begun, nothing booked", gates: ["begun"], call: "goes on" },
  { name: "function worked, not answered", gates: ["worked"], call: "goes on" },
  { name: "function answered, not settled", calls: ["settle_sync_runs"], call: "lost" },
  { name: "settled, the answer lost", calls: ["settle_sync_runs"], call: "committed" },
  { name: "sweep and open", calls: ["open_sync_tick"], call: "lost or committed" },
  { name: "finish", calls: ["finish_sync_tick"], call: "lost or committed" }
]

/** Where an engine is frozen: its start is confirmed, and when it wakes the lease may have ended. */
export const freezePoint: KillPoint = {
  name: "frozen with a confirmed start",
  calls: ["start_sync_runs"],
  call: "answered"
}

/** A kill point that waits for somebody to reach it. */
export interface Ambush {
  /** Resolves with the process that reached it. */
  readonly reached: Promise<number>
  /** Lets what was held go on; nobody is caught any more. */
  readonly end: () => void
  readonly onCall: (call: GatewayCall, pid: number | undefined) => Fault | undefined
  readonly onGate: (gate: Gate, pid: number | undefined) => Promise<unknown> | undefined
}

/** Waits at a point for the first process that comes by. */
export const ambush = (point: KillPoint): Ambush => {
  const reached = Promise.withResolvers<number>()
  const ended = Promise.withResolvers<void>()
  let isOpen = true
  const catches = (pid: number | undefined): pid is number => {
    const caught = isOpen && pid !== undefined
    if (caught) isOpen = false
    return caught
  }
  return {
    reached: reached.promise,
    end: () => {
      isOpen = false
      ended.resolve()
    },
    onCall: (call, pid) => {
      if (point.calls?.includes(call.fn) !== true || !catches(pid)) return undefined
      const arrives =
        point.call === "lost or committed" ? Math.random() < 0.5 : point.call !== "lost"
      if (!arrives || point.call === "goes on") {
        reached.resolve(pid)
        return { waitBefore: ended.promise, ...(arrives ? {} : { instead: RESET }) }
      }
      return {
        execute: true,
        ...(point.call === "answered" ? {} : { instead: RESET }),
        // Read when the call is committed: that is the moment.
        get waitAfter() {
          reached.resolve(pid)
          return ended.promise
        }
      }
    },
    onGate: (gate, pid) => {
      if (point.gates?.includes(gate.name) !== true || !catches(pid)) return undefined
      reached.resolve(pid)
      return ended.promise
    }
  }
}
