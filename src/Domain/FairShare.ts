/** The priority within an organisation: 0 for slots that are due now, 1 for catch-up, 2 for backfill. */
export type Lane = 0 | 1 | 2

interface Organisation<A> {
  readonly lanes: readonly [ReadonlyArray<A>, ReadonlyArray<A>, ReadonlyArray<A>]
  /** The number of permits that the organisation holds. */
  readonly open: number
  /** The value of `FairShare.served` when this organisation last received a permit. */
  readonly servedAt: number
}

/** The waiting items and permits of each organisation. Immutable. */
export interface FairShare<A> {
  readonly organisations: ReadonlyMap<string, Organisation<A>>
  readonly waiting: number
  readonly open: number
  readonly served: number
}

export const empty: FairShare<never> = {
  organisations: new Map(),
  waiting: 0,
  open: 0,
  served: 0
}

const newcomer: Organisation<never> = { lanes: [[], [], []], open: 0, servedAt: 0 }

/** Queues items behind those already waiting in the same organisation and lane. */
export const offer = <A>(
  share: FairShare<A>,
  items: ReadonlyArray<{ readonly orgId: string; readonly lane: Lane; readonly item: A }>
): FairShare<A> => {
  const organisations = new Map(share.organisations)
  for (const { item, lane, orgId } of items) {
    const { lanes, ...rest } = organisations.get(orgId) ?? newcomer
    const longer: Organisation<A>["lanes"] = [
      lane === 0 ? [...lanes[0], item] : lanes[0],
      lane === 1 ? [...lanes[1], item] : lanes[1],
      lane === 2 ? [...lanes[2], item] : lanes[2]
    ]
    organisations.set(orgId, { ...rest, lanes: longer })
  }
  return { ...share, organisations, waiting: share.waiting + items.length }
}

/**
 * Assigns up to `count` permits to waiting items and returns those items. Each permit goes to the organisation with the fewest
 * permits. Ties go to the organisation whose first item has the lowest lane, then to the organisation that received a permit
 * longest ago. No organisation has more than `most` permits.
 */
export const take = <A>(
  share: FairShare<A>,
  count: number,
  most: number
): readonly [taken: ReadonlyArray<A>, share: FairShare<A>] => {
  if (count <= 0 || share.waiting === 0) return [[], share]
  const organisations = new Map(share.organisations)
  const taken: Array<A> = []
  while (taken.length < count) {
    const next = nextOf(organisations, most)
    if (next === null) break
    const { lane, organisation, orgId } = next
    const [first, ...later] = organisation.lanes[lane]
    if (first === undefined) break
    taken.push(first)
    const { lanes } = organisation
    organisations.set(orgId, {
      lanes: [
        lane === 0 ? later : lanes[0],
        lane === 1 ? later : lanes[1],
        lane === 2 ? later : lanes[2]
      ],
      open: organisation.open + 1,
      servedAt: share.served + taken.length
    })
  }
  return [
    taken,
    {
      organisations,
      waiting: share.waiting - taken.length,
      open: share.open + taken.length,
      served: share.served + taken.length
    }
  ]
}

interface Candidate<A> {
  readonly orgId: string
  readonly lane: Lane
  readonly organisation: Organisation<A>
}

const nextOf = <A>(
  organisations: ReadonlyMap<string, Organisation<A>>,
  most: number
): Candidate<A> | null => {
  let best: Candidate<A> | null = null
  for (const [orgId, organisation] of organisations) {
    const lane = firstLane(organisation)
    if (lane === null || organisation.open >= most) continue
    const candidate = { orgId, lane, organisation }
    if (best === null || isBefore(candidate, best)) best = candidate
  }
  return best
}

const firstLane = ({ lanes }: Organisation<unknown>): Lane | null =>
  lanes[0].length > 0 ? 0 : lanes[1].length > 0 ? 1 : lanes[2].length > 0 ? 2 : null

const isBefore = (a: Candidate<unknown>, b: Candidate<unknown>): boolean => {
  if (a.organisation.open !== b.organisation.open) {
    return a.organisation.open < b.organisation.open
  }
  return a.lane === b.lane ? a.organisation.servedAt < b.organisation.servedAt : a.lane < b.lane
}

/** Releases one of the organisation's permits. */
export const free = <A>(share: FairShare<A>, orgId: string): FairShare<A> => {
  const organisation = share.organisations.get(orgId)
  if (organisation === undefined || organisation.open === 0) return share
  const organisations = new Map(share.organisations)
  const left = { ...organisation, open: organisation.open - 1 }
  if (left.open === 0 && firstLane(left) === null) organisations.delete(orgId)
  else organisations.set(orgId, left)
  return { ...share, organisations, open: share.open - 1 }
}

/** Removes and returns the waiting items for which `isOut` is true. */
export const remove = <A>(
  share: FairShare<A>,
  isOut: (item: A) => boolean
): readonly [removed: ReadonlyArray<A>, share: FairShare<A>] => {
  const removed: Array<A> = []
  const keep = (item: A): boolean => {
    const isKept = !isOut(item)
    if (!isKept) removed.push(item)
    return isKept
  }
  const organisations = new Map<string, Organisation<A>>()
  for (const [orgId, organisation] of share.organisations) {
    const [due, catchUp, backfill] = organisation.lanes
    const left: Organisation<A> = {
      ...organisation,
      lanes: [due.filter(keep), catchUp.filter(keep), backfill.filter(keep)]
    }
    if (left.open > 0 || firstLane(left) !== null) organisations.set(orgId, left)
  }
  return [removed, { ...share, organisations, waiting: share.waiting - removed.length }]
}

/** Returns the organisations with at least `count` items waiting. */
export const withWaiting = (share: FairShare<unknown>, count: number): ReadonlyArray<string> =>
  [...share.organisations].flatMap(([orgId, { lanes }]) =>
    lanes[0].length + lanes[1].length + lanes[2].length >= count ? [orgId] : []
  )

/** Returns the organisations with a permit. */
export const withOpen = (share: FairShare<unknown>): ReadonlyArray<string> =>
  [...share.organisations].flatMap(([orgId, { open }]) => (open > 0 ? [orgId] : []))
