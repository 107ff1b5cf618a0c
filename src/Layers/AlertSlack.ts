import type { AlertMessage } from "../Domain/Alert.ts"
import { summaryOf, textOf } from "../Domain/AlertText.ts"

/**
 * Formats a message for Slack's incoming webhooks. Slack shows `text` in notifications. Text from an alert cannot mention a user
 * or become a link.
 *
 * *Source*: https://docs.slack.dev/reference/block-kit/blocks (limits: 150 characters in a header, 3,000 in a section, 2,000 in a
 * field; 10 fields).
 */
export const slackMessageOf = (message: AlertMessage) => {
  const { facts, next, title, why } =
    message._tag === "One" ? textOf(message.alert) : summaryOf(message.batch)
  return {
    text: escaped(title, 300),
    blocks: [
      { type: "header", text: { type: "plain_text", text: clip(title, 150), emoji: false } },
      {
        type: "section",
        fields: facts.slice(0, 10).map(([name, value]) => markdown(`*${name}*\n`, value, 1_900))
      },
      { type: "section", text: markdown("*Why*\n", why, 2_900) },
      { type: "section", text: markdown("*Next*\n", next, 2_900) }
    ]
  }
}

const markdown = (label: string, value: string, most: number) =>
  ({ type: "mrkdwn", text: `${label}${escaped(value, most)}`, verbatim: true }) as const

/** Escapes control characters, because `<!channel>` would notify everyone. Never cuts an escape sequence in two. */
const escaped = (text: string, most: number): string => {
  const whole = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
  return whole.length <= most ? whole : `${whole.slice(0, most - 1).replace(/&\w*$/, "")}…`
}

const clip = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`
