-- What the servers have in common. Texts are compared byte by byte, whatever the database's locale.

create table vestibule_entry (
	server text collate "C" not null,
	seq bigint not null,
	-- In the order in which entries came here; of actions, without gaps for who has read up to one.
	arrival bigint generated always as identity,
	at timestamptz not null,
	kind text collate "C" not null,
	id text collate "C",
	room text collate "C",
	person text collate "C",
	nick text collate "C",
	attempt_kind text collate "C",
	class text collate "C",
	verdict text collate "C",
	rule text collate "C",
	line integer,
	denial text collate "C",
	observed boolean not null,
	revision text collate "C",
	command text collate "C",
	face text collate "C",
	caller text collate "C",
	role text collate "C",
	outcome text collate "C",
	reason text collate "C",
	body json not null,
	primary key (server, seq)
);
create index vestibule_entry_seq on vestibule_entry (seq);
create index vestibule_entry_room on vestibule_entry (room, seq) where room is not null;
create index vestibule_entry_person on vestibule_entry (person, seq) where person is not null;
create index vestibule_entry_rule on vestibule_entry (rule, seq) where rule is not null;
create index vestibule_entry_id on vestibule_entry (id) where id is not null;
create index vestibule_entry_action on vestibule_entry (arrival) where kind = 'action';

create sequence vestibule_change;
create table vestibule_ban (
	id text collate "C" primary key,
	-- Grows with every change of this table.
	change bigint not null unique,
	who text collate "C" not null,
	room text collate "C",
	until timestamptz,
	reason text collate "C" not null,
	made_by text collate "C" not null,
	at timestamptz not null,
	-- It stays here, for the servers that do not know yet.
	lifted boolean not null
);
