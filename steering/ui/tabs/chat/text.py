"""Every sentence and label of the Chat tab."""

TAB = "Chat"

INTRO = (
    "The same conversation twice: left with the child as it is, right with the child steered. Each side remembers its own "
    "answers, and λ may change between turns. Concept, system prompt and limits are those of the sidebar."
)
EMPTY = "Write a message below. The first one makes the vector if it is not ready yet."
MESSAGE = "Message"
FIRST_MESSAGE = "What are you going to do this weekend?"
LAM = "λ"
LAM_INFO = "Of the next answer"
SEND = "Send"
REGENERATE = "Answer again"
CLEAR = "New conversation"
EXPORT = "Export JSON"
NO_MESSAGE = "The message is empty. Write something to answer."
NOTHING_SAID = "Nothing was said yet. Send a message first."
ANSWERING = "Answering"
ANSWERED = "Answered. Write on, or change λ and press “Answer again”."
CLEARED = "A new conversation."
BASE_MODEL = (
    "{child} is a base model: it completes text and does not chat, so it gets the conversation as a transcript. What it writes "
    "is not filtered."
)
USER, BASELINE, STEERED = "You", "Baseline", "Steered, λ = {lam}"
LOG = "Conversation, baseline and steered side by side"
