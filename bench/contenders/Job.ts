/** Invokes the function. Fails unless the function reports success. `keepalive` reuses connections. */
export const invoke = async (functionUrl: string, id: string, keepalive = true): Promise<void> => {
  const response = await fetch(functionUrl, {
    method: "POST",
    keepalive,
    headers: { "content-type": "application/json", "idempotency-key": id },
    body: JSON.stringify({ id })
  })
  const answer = await response.json()
  if (answer.success !== true) throw new Error(`HTTP ${response.status}`)
}

/** Processes the items with `count` workers. */
export const pool = async <A>(
  items: ReadonlyArray<A>,
  count: number,
  work: (item: A) => Promise<void>
): Promise<void> => {
  let at = 0
  const worker = async () => {
    for (let item = items[at++]; item !== undefined; item = items[at++]) await work(item)
  }
  await Promise.all(Array.from({ length: count }, worker))
}

/** Batches concurrent calls. Calls that arrive during a batch form the next batch. */
export const microBatch = (
  send: (ids: ReadonlyArray<string>) => Promise<void>
): ((id: string) => Promise<void>) => {
  let waiting: Array<{ id: string; done: () => void; failed: (error: unknown) => void }> = []
  let busy = false
  const flush = async (): Promise<void> => {
    busy = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await send(batch.map(({ id }) => id))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    busy = false
  }
  return (id) =>
    new Promise((done, failed) => {
      waiting.push({ id, done, failed })
      if (!busy) void Promise.resolve().then(flush)
    })
}
