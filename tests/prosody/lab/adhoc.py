"""Ad-hoc commands, as slixmpp gives them (XEP-0050, XEP-0004, XEP-0030)."""

from slixmpp.exceptions import IqError

DATA_FORMS = "jabber:x:data"


class AdHoc:
    """The commands at `to`, given by a `Person`."""

    def __init__(self, person, to="vestibule.localhost"):
        self.client = person.client
        self.to = to
        for plugin in ("xep_0030", "xep_0004", "xep_0050"):
            self.client.register_plugin(plugin)

    async def listed(self):
        """The commands that are offered: node to name."""
        items = await self.client["xep_0050"].get_commands(self.to, timeout=10)
        return {node: name for _, node, name in items["disco_items"]["items"]}

    async def about(self, node):
        """What disco#info says of a node: (identities, features)."""
        info = await self.client["xep_0030"].get_info(self.to, node=node, timeout=10)
        return info["disco_info"]["identities"], info["disco_info"]["features"]

    async def step(self, node, action="execute", sessionid=None, **values):
        """One step; `values` are submitted as a form. A `Stage`."""
        form = None
        if values:
            form = self.client["xep_0004"].make_form(ftype="submit")
            for name, value in values.items():
                form.add_field(var=name, value=value)
        reply = await self.client["xep_0050"].send_command(
            self.to, node, action=action, payload=form, sessionid=sessionid, timeout=20
        )
        return Stage(self, reply)

    async def refusal(self, *arguments, **options):
        """The condition of the error that a step ends in, and XEP-0050's own, if any."""
        try:
            stage = await self.step(*arguments, **options)
        except IqError as error:
            stanza = error.iq["error"]
            own = [child.tag.partition("}")[2] for child in stanza.xml if "commands" in child.tag]
            return stanza["condition"], *own
        raise AssertionError(f"not refused: {stage.reply}")


class Stage:
    """Where a command has come to."""

    def __init__(self, commands, reply):
        self.commands = commands
        self.reply = reply
        command = reply["command"]
        self.node, self.sessionid, self.status = command["node"], command["sessionid"], command["status"]
        self.actions = command["actions"]
        self.notes = command["notes"]
        self.form = command["form"] if command.xml.find(f"{{{DATA_FORMS}}}x") is not None else None

    @property
    def fields(self):
        """Its fields: var to field."""
        return dict(self.form.get_fields()) if self.form else {}

    @property
    def kinds(self):
        return {var: field["type"] for var, field in self.fields.items()}

    @property
    def items(self):
        """The rows of its table, as dicts."""
        return [dict(item) for item in self.form["items"]] if self.form else []

    def options(self, var):
        """What is offered for a field: value to label."""
        return {option["value"]: option["label"] for option in self.fields[var]["options"]}

    async def go(self, action="execute", **values):
        """The next step."""
        return await self.commands.step(self.node, action, self.sessionid, **values)

    async def refusal(self, action="execute", **values):
        return await self.commands.refusal(self.node, action, self.sessionid, **values)
