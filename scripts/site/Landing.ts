export interface Landing {
  readonly readme: string
  readonly tutorial: string
  readonly demo: string
}

const found = (match: RegExpExecArray | null, what: string): string => {
  const [, text] = match ?? []
  if (text === undefined) throw new Error(`The landing page has no ${what}`)
  return text.trim()
}

const STEP = /^(\d\. .+)\n\n([\s\S]*?)```sh[^\n]*\n([\s\S]*?)^```$/m

/** Returns the numbered sections of the tutorial, each with its title, first paragraph and first commands. */
const stepsOf = (tutorial: string): ReadonlyArray<string> =>
  tutorial
    .split(/^## (?=\d\. )/m)
    .slice(1)
    .map((section) => {
      const [, title, words, commands] = STEP.exec(section) ?? []
      if (title === undefined) throw new Error(`A step has no commands:\n${section}`)
      return `### ${title}\n\n${words}\`\`\`sh\n${commands}\`\`\``
    })

/** Returns the front page of the site: a summary, three steps, and the output of the demo. */
export const landingPage = ({ demo, readme, tutorial }: Landing): string => {
  const tagline = found(/^# .+\n\n(.+)$/m.exec(readme), "first sentence")
  const output = found(/^(STATUS [\s\S]*?\n\n.*)$/m.exec(demo), "output of the demo")
  const steps = stepsOf(tutorial)
  if (steps.length !== 3) throw new Error(`The tutorial has ${steps.length} steps`)
  return `---
layout: page
title: Sync Scheduler
titleTemplate: false
sidebar: false
aside: false
---

<main class="landing vp-doc">
<div class="about">

# Sync Scheduler

${tagline}

<nav class="actions" aria-label="Begin">

[Your first sync](/tutorial/first-sync.md) [Did it run?](/how-to/did-it-run.md) [All documentation](/documentation.md)

</nav>

The demo, on an embedded PostgreSQL. One sync fails on purpose:

\`\`\`text
${output}
\`\`\`

<p class="picture">
<img class="on-light" alt="The status page" src="./status-page-light.png">
<img class="on-dark" alt="" src="./status-page-dark.png">
</p>

</div>
<section class="steps">

## Three steps

${steps.join("\n\n")}

</section>
</main>
`
}
