-- Texts that the gate itself shows to people, in English or as the component has told it.

local ENGLISH = {
	["gate-chat"] = "You cannot write in this meeting.",
	["gate-private"] = "You cannot send private messages in this meeting.",
	["gate-rename"] = "You cannot change your name in this meeting.",
	["gate-media"] = "Audio, video and screen sharing are controlled by this server.",
	["gate-alone"] = "No moderator is in this breakout room. You are taken back to the main room.",
	["gate-admitted"] = "A moderator has let you in.",
	["gate-knock"] = "{nick} ({address}) would like to join.",
	["gate-declined"] = "Your request to join was declined.",
	["gate-nobody"] = "Nobody has let you in. Please try again later.",
	["gate-away"] = "The meeting service is briefly unavailable. Please try again in a moment.",
	["gate-mismatch"] = "The meeting service is out of order. Please tell the operator of this server.",
	["gate-full"] = "Too many people are waiting. Please try again in a moment.",
	["gate-address"] = "An address in this request contains characters that are not allowed here.",
	["gate-too-large"] = "The request is too large.",
	["gate-value"] = "This value is not allowed here: {field}.",
	["gate-outside"] = "You are not in this room. Please join first.",
	["gate-unnamed"] = "This room does not support this request.",
	["gate-read"] = "Only moderators can see this.",
	["gate-elsewhere"] = "No meetings are held at this address.",
	["gate-speaker"] = "Meeting rules",
	["gate-password-set"] = "The password of this meeting has been changed.",
	["gate-password-word"] = "This was shown to nobody. To change the password, write !password NEW-PASSWORD to everyone.",
	["gate-moderator"] = "You are a moderator now. In the chat, !help shows what you can write.",
	["gate-moderator-password"] =
		"You are a moderator now. In the chat, !password shows the password and !help what else you can write.",
	["gate-see-chat"] = "The chat shows the password of this meeting, to you alone.",
	["gate-see-chat-code"] = "The chat shows the host code of this meeting, to you alone.",
	["say-suspended-here"] =
		"This meeting has been suspended by the server's operator. Only moderators can speak and write.",
	["reserved-nick"] = "This name is reserved. Please choose another name.",
};

local told, default = {}, nil; -- by language in lower case, then by name; and what is read without a language

local messages = {};

-- Prosody writes `en` on what comes over a stream of no language: it says nothing.
function messages.language_of(stanza)
	local language = stanza and stanza.attr["xml:lang"];
	return language ~= "en" and language or nil;
end

local function find(tag, name)
	tag = tag and tag:lower();
	while tag do
		local known = told[tag] and told[tag][name];
		if known then return known.text, known.language; end
		if tag == "en" then return ENGLISH[name], "en"; end
		tag = tag:match("^(.*)%-[^-]*$");
	end
end

-- Words, and the language that they are in; `stanza`: of the person who is told.
function messages.of(name, stanza)
	local text, language = find(messages.language_of(stanza), name);
	if not text then text, language = find(default, name); end
	return text or ENGLISH[name], language or "en";
end

function messages.learn(list, language)
	told, default = {}, language;
	for _, item in ipairs(list or {}) do
		local tag = item.language:lower();
		told[tag] = told[tag] or {};
		told[tag][item.name] = item;
	end
end

return messages;
