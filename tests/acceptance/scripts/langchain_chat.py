"""Two turns with LangChain, each with the call of a tool; prints what the model said in the end."""

import sys

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def speak(words: str) -> str:
    """Says words."""
    return words


def main(url: str) -> None:
    model = ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="none").bind_tools([speak])
    messages: list[AnyMessage] = [SystemMessage("You speak.")]
    for content in ("Say the first thing", "Say the second thing"):
        messages.append(HumanMessage(content))
        reply = model.invoke(messages)
        messages.append(reply)
        messages += [speak.invoke(call) for call in reply.tool_calls]
        if reply.tool_calls:
            messages.append(model.invoke(messages))
        print(messages[-1].content)


if __name__ == "__main__":
    main(sys.argv[1])
