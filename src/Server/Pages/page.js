// Keeps an open page up to date without losing focus, scroll position, selection and open forms. Without this script, the page
// reloads itself.
;(() => {
  const page = document.documentElement
  const find = (id) => document.getElementById(id)
  const [fresh, stamp, alarm, pause, search] = ["fresh", "stamp", "alarm", "pause", "q"].map(find)
  const every = Number(page.dataset.refresh) * 1000
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  let isStopped = false
  let timer = 0
  let request = new AbortController()

  const isTwin = (node, child) =>
    node?.nodeName === child.nodeName && (node.id ?? "") === (child.id ?? "")

  /** Turns `have` into `want` with as few changes as possible. */
  const morph = (have, want) => {
    if (have.isEqualNode(want)) return
    if (have.nodeType !== Node.ELEMENT_NODE) {
      have.data = want.data
      return
    }
    const isKept = (name) =>
      (name === "open" && have.nodeName === "DETAILS") ||
      (name === "title" && have.nodeName === "TIME")
    for (const { name } of [...have.attributes]) {
      if (!want.hasAttribute(name) && !isKept(name)) have.removeAttribute(name)
    }
    for (const { name, value } of want.attributes) {
      if (have.getAttribute(name) !== value && !isKept(name)) have.setAttribute(name, value)
    }
    // Removing elements first preserves the scroll positions of the others.
    const wanted = new Set([...want.children].map(({ id }) => id))
    for (const one of [...have.children]) if (one.id && !wanted.has(one.id)) one.remove()
    const named = new Map([...have.children].filter(({ id }) => id).map((one) => [one.id, one]))
    let at = have.firstChild
    for (const child of [...want.childNodes]) {
      const twin = child.id ? named.get(child.id) : at
      // If a row moved down, moves only that row.
      if (child.id && twin && twin !== at && at?.nextElementSibling === twin) {
        have.append(at)
        at = twin
      }
      if (!isTwin(twin, child)) {
        have.insertBefore(child, at)
        continue
      }
      if (twin === at) at = at.nextSibling
      else have.insertBefore(twin, at)
      morph(twin, child)
    }
    while (at) {
      const next = at.nextSibling
      at.remove()
      at = next
    }
  }

  const put = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html")
    const { dataset } = next.documentElement
    if (!dataset.now) throw new Error("the response is not this page")
    if (dataset.assets !== page.dataset.assets) return location.reload()
    const focused = document.activeElement
    document.title = next.title
    const icon = document.querySelector("link[rel=icon]")
    const shown = next.querySelector("link[rel=icon]").getAttribute("href")
    if (icon.getAttribute("href") !== shown) icon.setAttribute("href", shown)
    page.classList.toggle("old", next.documentElement.classList.contains("old"))
    page.dataset.now = dataset.now
    page.dataset.zone = dataset.zone
    stamp.textContent = next.getElementById("stamp").textContent
    for (const part of ["main", "foot"]) morph(find(part), next.getElementById(part))
    if (focused !== document.activeElement && focused?.isConnected) {
      focused.focus({ preventScroll: true })
    }
  }

  const warn = (words) => {
    const isStale = words !== ""
    page.classList.toggle("stale", isStale)
    if (alarm.firstElementChild.textContent !== words) alarm.firstElementChild.textContent = words
    alarm.hidden = !isStale
  }

  /** Removes a one-time parameter from the URL. */
  const forget = (name) => {
    const url = new URL(location.href)
    url.searchParams.delete(name)
    if (url.href !== location.href) history.replaceState(null, "", url)
  }

  const fail = (why) => warn(`Data as of ${stamp.textContent}: ${why}. This page keeps retrying.`)

  /** Returns the warning on an outdated page; empty if there is none. */
  const alarmIn = (text) =>
    new DOMParser().parseFromString(text, "text/html").querySelector("#alarm p")?.textContent ?? ""

  const refresh = async () => {
    clearTimeout(timer)
    request.abort()
    request = new AbortController()
    const { signal } = request
    const limit = setTimeout(() => request.abort(new Error("no answer in time")), 20_000)
    try {
      const answer = await fetch(location.href, { signal, headers: { accept: "text/html" } })
      const text = await answer.text()
      if (!answer.ok) {
        const words = alarmIn(text)
        return words === "" ? fail(`the scheduler answered ${answer.status}`) : warn(words)
      }
      put(text)
      warn("")
      forget("did")
    } catch {
      if (signal === request.signal) fail("the scheduler does not answer")
    } finally {
      clearTimeout(limit)
      if (signal === request.signal) schedule()
    }
  }

  const schedule = () => {
    clearTimeout(timer)
    if (every > 0 && !isStopped && !document.hidden) timer = setTimeout(refresh, every)
  }

  /** Hides non-matching rows until the server responds. */
  const filter = () => {
    const words = search.value.trim().toLowerCase()
    for (const row of document.querySelectorAll("[data-rows] > *")) {
      row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words)
    }
  }

  fresh.textContent = "Updated"
  pause.hidden = every === 0
  pause.addEventListener("click", () => {
    isStopped = !isStopped
    pause.setAttribute("aria-pressed", String(isStopped))
    pause.textContent = isStopped ? "Update again" : "Stop updates"
    fresh.textContent = isStopped ? "As of" : "Updated"
    if (isStopped) clearTimeout(timer)
    else refresh()
  })
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer)
    else if (every > 0 && !isStopped) refresh()
  })
  if (location.pathname === "/") {
    search.addEventListener("input", () => {
      const url = new URL(location.href)
      if (search.value.trim() === "") url.searchParams.delete("q")
      else url.searchParams.set("q", search.value.trim())
      url.searchParams.delete("page")
      history.replaceState(null, "", url)
      filter()
      clearTimeout(timer)
      timer = setTimeout(refresh, 250)
    })
  }
  document.addEventListener("click", async ({ target }) => {
    const box = target instanceof Element ? target.closest(".copy") : null
    if (box === null || target.nodeName !== "BUTTON") return
    const code = box.querySelector("code")
    try {
      await navigator.clipboard.writeText(code.textContent)
      target.textContent = "Copied"
    } catch {
      getSelection().selectAllChildren(code)
      target.textContent = "Selected"
    }
    setTimeout(() => {
      target.textContent = "Copy"
    }, 2_000)
  })
  document.addEventListener("pointerover", ({ target }) => {
    if (target.nodeName === "TIME")
      target.title = `${target.dateTime.replace("T", " ").replace("Z", "")} UTC`
  })
  page.classList.add("js")
  // Tells the server the time zone for lists.
  if (zone) {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is missing in some browsers and without TLS
    document.cookie = `sync_scheduler_zone=${zone}; path=/; max-age=31536000; samesite=strict`
    const isList = location.pathname === "/" && !new URLSearchParams(location.search).has("tz")
    if (isList && every > 0 && page.dataset.zone !== zone) refresh()
  }
  schedule()
})()
