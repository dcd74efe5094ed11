"""What shows people a text although no body of a message has it."""

import json


def _carriers(secret):
    """Messages without a body, or whose body says something else, that show people `!password SECRET` on a line."""
    line = f"!password {secret}"
    html = '<html xmlns="http://jabber.org/protocol/xhtml-im"><body xmlns="http://www.w3.org/1999/xhtml">{}</body></html>'
    return [
        html.format(f"<p>{line}</p>"),
        f"<body>Hello</body>{html.format(f'Look:<br/><b>!pass</b>word {secret}')}",
        f"<body>{line}</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
        f"<body>&gt; Which?\n{line}</body><reply xmlns='urn:xmpp:reply:0' id='1'/>"
        "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='9'/></fallback>",
        f"<subject>{line}</subject>",
        f"<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>{line}</reaction></reactions>",
        f"<json-message xmlns='http://jitsi.org/jitmeet'>{json.dumps({'type': 'x', 'message': [line]})}</json-message>",
        f"<body xmlns='urn:example:x'>{line}</body>",
    ]


async def published_by_nobody(writer, reader, *addresses):
    """Asserts that `reader` gets none of it from `writer`, who writes it to each address: of a room, of an occupant."""
    secret = "sixteen brisk amber otters"
    for address in addresses:
        kind = "chat" if "/" in address else "groupchat"
        for payload in _carriers(secret):
            since, number = writer.mark(), writer.new_id()
            writer.send_raw(f"<message to='{address}' type='{kind}' id='{number}'>{payload}</message>")
            # No subject reaches an occupant, so such a message may go on without it.
            if kind == "groupchat" or "<subject" not in payload:
                await writer.wait_for(lambda seen: seen.name == "message", since=since)
    writer.send_raw(f"<message to='{addresses[0]}' type='groupchat'><body>I typed !password once</body></message>")
    await writer.wait_for(lambda seen: seen.body == "I typed !password once")
    await reader.wait_for(lambda seen: seen.body == "I typed !password once")
    shown = ["".join(seen.xml.itertext()) for seen in reader.seen if seen.name == "message"]
    assert not [text for text in shown if secret in text]
