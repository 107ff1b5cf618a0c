/** What a contender is told, as JSON in BENCH_SPEC. */
export interface Spec {
  readonly contender: string
  /** The bench's database: Sync Scheduler's schema, and the plain tables of the other contenders. */
  readonly databaseUrl: string
  /** PostgREST's part, in a process of its own, over the same database. */
  readonly gatewayUrl: string
  readonly secretKey: string
  /** POST it and it answers after the scenario's latency. */
  readonly functionUrl: string
  readonly jobs: number
  readonly concurrency: number
  /** Other engines work on the same jobs: each does a part of them. */
  readonly isShared: boolean
}

/** What a contender reports, as one line of JSON on stdout. */
export interface Measured {
  /** From the start of the tick to the last outcome recorded. Connections and first requests are outside. */
  readonly wallMs: number
  /** Of the contender's own process, user and system, within `wallMs`. */
  readonly cpuMs: number
  readonly peakRssMb: number
  /** What is left of the heap after the tick, once everything that nobody holds was collected. */
  readonly liveHeapMb: number
  readonly done: Done
}

/** Jobs done, and claims that another engine was faster with. */
export interface Done {
  readonly completed: number
  readonly lost: number
}

/** A contender: gets ready, and answers what is to be measured. */
export type Contender = (spec: Spec) => Promise<{
  readonly tick: () => Promise<Done | undefined>
  readonly close: () => Promise<void>
}>
