//! Drift: in what a live room has come to differ from what its rules ask for, and what repairs it.
//!
//! Other modules of the server change rooms without asking the component. A room that is stricter than its rules
//! ask for is as its moderators want it; only what is laxer, or not theirs to choose, is a difference.

use super::attempt::{Affiliation, Attempt, Auth, Pressure, Requester};
use super::context::{Case, Drift, Scene, Standing, case, excepted};
use super::decide::{as_excepted, reevaluate};
use super::notice::Notice;
use super::record::{Record, Source};
use super::rules::removal::taken;
use super::rules::{SWITCHES, Trait, fixed};
use super::verdict::{Audience, Effects, May, NewPassword};
use crate::policy::opinions::close::RECORD;
use crate::policy::opinions::{access, lobby, moderators, permissions, removal, suspended};

/// Returns the name of every rule that a room can differ from, except that of a suspension ([`suspended::RULE`]).
pub fn compared() -> impl Iterator<Item = &'static str> {
    let switched = SWITCHES.iter().filter(|rule| rule.traits.contains(&Trait::Compared));
    let fixed = [fixed::BAN, fixed::OUTCAST, fixed::READING];
    switched.map(|rule| rule.name).chain(fixed.map(|rule| rule.name))
}

/// Returns every difference. A room to which no policy was applied yet has none: its next join applies it.
pub fn compare(scene: &Scene<'_>) -> Vec<Drift> {
    let Some(record) = &scene.view.record else {
        let is = "closed: its record is of another version, or damaged";
        return scene.view.unreadable.then(|| of_record(is)).into_iter().collect();
    };
    if scene.policy.is_health_check(scene.room, &record.opener) {
        return Vec::new();
    }
    // Exceptions for everybody in the room make some of its rules neutral.
    let (attempt, nobody, calm) = (Attempt::default(), Requester::default(), Pressure::default());
    let excepted = excepted(&case(scene, &attempt, &nobody, scene.room, &calm));
    let judged = scene;
    let scene =
        &Scene { rules: excepted.as_ref().map_or(scene.rules, |other| &other.room), ..*scene };
    let of_room = [
        code(scene, record),
        password(scene, record),
        admission(scene),
        suspended::drift(scene),
        hidden(scene),
        persistent(scene),
    ];
    let mut found: Vec<Drift> = of_room.into_iter().flatten().collect();
    let is_understood = record.unread().is_empty();
    found.extend(
        (!is_understood).then(|| of_record("values of a newer version, read as the stricter")),
    );
    found.extend(judged.standing.iter().filter_map(|one| kept_out(judged, one)));
    // In a room from before the policy, nobody knows who was made an owner, and why.
    if !record.opener.is_empty() {
        let others: Vec<_> = scene
            .standing
            .iter()
            .filter(|one| !found.iter().any(|drift| drift.who.as_ref() == Some(&one.jid)))
            .filter_map(|one| standing(scene, one))
            .collect();
        found.extend(others);
    }
    for who in scene.occupants {
        if let Some(drift) = occupant(judged, who).or_else(|| permitted(judged, who))
            && !found.iter().any(|known| known.is_same_as(&drift))
        {
            found.push(drift);
        }
    }
    found
}

/// Returns the difference of a record that is not understood in full: it is reported, and nothing is repaired.
fn of_record(is: &'static str) -> Drift {
    let should = "a record that this version understands";
    Drift { rule: RECORD, who: None, is, should, effects: Effects::default() }
}

fn password(scene: &Scene<'_>, record: &Record) -> Option<Drift> {
    let rules = &scene.rules.password;
    if !rules.required.value || scene.view.has_password {
        return None;
    }
    let source = match rules.source.value {
        // Nobody is there to choose one.
        Source::Creator => Source::Generated,
        source @ (Source::Generated | Source::Derived | Source::Preset) => source,
    };
    let notices =
        rules.show_to_moderators.value.then_some((Audience::Moderators, Notice::PasswordChanged));
    Some(Drift {
        rule: rules.required.rule(),
        who: None,
        is: "no password",
        should: "a password",
        effects: Effects {
            record: Some(record.clone().with_password(source)),
            password: Some(NewPassword::Made(source)),
            notices: notices.into_iter().collect(),
            ..Effects::default()
        },
    })
}

fn code(scene: &Scene<'_>, record: &Record) -> Option<Drift> {
    let moderators = &scene.rules.moderators;
    let source = moderators.code.value.source()?;
    if moderators.by_room || record.code.is_some() {
        return None;
    }
    let is_told = scene.rules.password.show_to_moderators.value;
    Some(Drift {
        rule: moderators.code.rule(),
        who: None,
        is: "no host code",
        should: "a host code",
        effects: Effects {
            record: Some(Record { code: Some(source), ..record.clone() }),
            code: Some(source),
            notices: is_told.then_some((Audience::Moderators, Notice::Code)).into_iter().collect(),
            ..Effects::default()
        },
    })
}

fn admission(scene: &Scene<'_>) -> Option<Drift> {
    let (attempt, nobody, calm) = <(Attempt, Requester, Pressure)>::default();
    let case = case(scene, &attempt, &nobody, scene.room, &calm);
    (lobby::is_members_only(&case) && !scene.view.members_only).then(|| Drift {
        rule: scene.rules.lobby.admission.rule(),
        who: None,
        is: "open to strangers",
        should: "members only",
        effects: Effects {
            members_only: Some(true),
            lobby: lobby::has_own(&case).then_some(true),
            ..Effects::default()
        },
    })
}

fn hidden(scene: &Scene<'_>) -> Option<Drift> {
    let rule = scene.rules.access.hidden;
    (rule.value == Some(true) && scene.settings.hidden == Some(false)).then(|| Drift {
        rule: rule.rule(),
        who: None,
        is: "listed",
        should: "hidden",
        effects: Effects { hidden: Some(true), ..Effects::default() },
    })
}

fn persistent(scene: &Scene<'_>) -> Option<Drift> {
    let rule = scene.rules.access.persistent;
    let (is, should) = (scene.settings.persistent?, rule.value.fixed()?);
    // Jitsi's lobby and breakout rooms make a room last while they need it.
    let is_borrowed = is && scene.view.lobby;
    let words = |lasts| match lasts {
        true => "persistent",
        false if is && scene.view.is_found() => {
            "not persistent: deleted, with its affiliations and archive, when the next meeting ends"
        }
        false => "not persistent",
    };
    (is != should && !is_borrowed).then(|| Drift {
        rule: rule.rule(),
        who: None,
        is: words(is),
        should: words(should),
        effects: Effects {
            persistent: Some(should).filter(|lasts| *lasts || !scene.view.is_found()),
            keep: scene.view.is_found().then_some(should),
            ..Effects::default()
        },
    })
}

/// Returns the difference of an owner or admin who is kept out: their affiliation is taken until that ends.
fn kept_out(scene: &Scene<'_>, one: &Standing) -> Option<Drift> {
    let is_inside = scene.occupants.iter().any(|who| who.jid.as_ref() == Some(&one.jid));
    if is_inside || one.affiliation < Affiliation::Admin {
        return None;
    }
    // Of people who are away only the address is known.
    let away =
        Requester { jid: Some(one.jid.clone()), auth: Auth::Account, ..Requester::default() };
    let (attempt, calm) = (Attempt::default(), Pressure::default());
    let case = case(scene, &attempt, &away, &one.jid, &calm);
    if case.is_service() {
        return None;
    }
    let keeps_out = |case: &Case<'_>| access::banned(case).or_else(|| removal::refuse(case));
    let opinion = as_excepted(&case, keeps_out).0?;
    Some(Drift {
        rule: opinion.rule,
        who: Some(one.jid.clone()),
        is: one.affiliation.name(),
        should: "no owner or admin",
        effects: Effects {
            people: vec![(one.jid.clone(), taken(one.person.as_ref(), one.affiliation))],
            affiliate: vec![(one.jid.clone(), Affiliation::None)],
            ..Effects::default()
        },
    })
}

/// Returns the difference of an owner or admin whom neither a rule nor a person inside has made one.
fn standing(scene: &Scene<'_>, one: &Standing) -> Option<Drift> {
    let policy = scene.policy;
    let is_kept = policy.services.contains_key(&one.jid)
        || policy.operators.contains_key(&one.jid)
        || scene.rules.moderators.by_room
        || (scene.forgets && one.person.is_none());
    if is_kept || one.affiliation < Affiliation::Admin {
        return None;
    }
    // How an absent person would log in is unknown: they have the benefit of the doubt.
    let away =
        Requester { jid: Some(one.jid.clone()), auth: Auth::Account, ..Requester::default() };
    let sessions: Vec<_> =
        scene.occupants.iter().filter(|who| who.jid.as_ref() == Some(&one.jid)).collect();
    let is_inside = !sessions.is_empty();
    // The tab before a reload is a ghost for a while: what the room remembers is under the new address, by the ticket.
    let remembered = |who: &Requester| {
        let is_same = |it: &&Requester| it.ticket.is_some() && it.ticket == who.ticket;
        let mut same = scene.occupants.iter().filter(is_same);
        one.person.clone().or_else(|| same.find_map(|it| it.person.clone()))
    };
    let mut shapes = if is_inside { sessions } else { vec![&away] }.into_iter();
    let is_entitled = shapes.any(|who| {
        // Judged as if they were no owner yet.
        let who =
            Requester { affiliation: Affiliation::None, person: remembered(who), ..(*who).clone() };
        let attempt = Attempt::default();
        let calm = Pressure::default();
        moderators::entitlement(&case(scene, &attempt, &who, &one.jid, &calm)).is_some()
    });
    (!is_entitled).then(|| Drift {
        rule: scene.rules.moderators.assign.rule(),
        who: Some(one.jid.clone()),
        is: one.affiliation.name(),
        should: "no owner or admin",
        effects: Effects {
            demote: vec![(
                one.jid.clone(),
                if is_inside { Affiliation::Member } else { Affiliation::None },
            )],
            ..Effects::default()
        },
    })
}

/// Returns the difference of a person inside who may not be there.
fn occupant(scene: &Scene<'_>, who: &Requester) -> Option<Drift> {
    let attempt =
        Attempt { room: Some(scene.room.clone()), requester: who.clone(), ..Attempt::default() };
    let decision = reevaluate(scene.policy, scene.rules, &attempt, scene.view, scene.now)?;
    let (jid, denial) = (who.jid.clone()?, decision.denial?);
    Some(Drift {
        rule: decision.rule,
        who: Some(jid.clone()),
        is: "inside",
        should: "outside",
        effects: Effects {
            people: vec![(jid.clone(), taken(who.person.as_ref(), who.affiliation))],
            remove: vec![(jid, denial)],
            ..Effects::default()
        },
    })
}

/// Returns the difference of a person inside who was told other permissions than they have: the file has changed, or
/// they came in while the component was away.
fn permitted(scene: &Scene<'_>, who: &Requester) -> Option<Drift> {
    let jid = who.jid.as_ref().filter(|jid| !scene.policy.services.contains_key(*jid))?;
    let told = scene.may.iter().find(|(told, _)| told == jid);
    let told = told.map_or(May::default(), |(_, may)| *may);
    let attempt = Attempt::default();
    let calm = Pressure::default();
    let case = case(scene, &attempt, who, jid, &calm);
    let excepted = excepted(&case);
    let rules = excepted.as_ref().map_or(scene.rules, |excepted| &excepted.person);
    let (ability, may) = permissions::differing(&Case { rules, ..case }, told)?;
    Some(Drift {
        rule: permissions::rule(rules, ability),
        who: Some(jid.clone()),
        is: "other permissions",
        should: "those of the rules",
        effects: Effects { may: vec![(jid.clone(), may)], ..Effects::default() },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use smol_str::SmolStr;

    use super::*;
    use crate::jid::BareJid;
    use crate::policy::access::{Access, Persistence};
    use crate::policy::attempt::RoomView;
    use crate::policy::class::{Class, ClassSet};
    use crate::policy::context::Settings;
    use crate::policy::denial::Denial;
    use crate::policy::exceptions::{Exception, Exceptions, Whom};
    use crate::policy::lobby::{Admission, Lobby};
    use crate::policy::moderators::Moderators;
    use crate::policy::password::Password;
    use crate::policy::permissions::Permitted;
    use crate::policy::record::{Entry, Person};
    use crate::policy::rules::family::family_of;
    use crate::policy::verdict::Ability;
    use crate::policy::{Policy, Rules};

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    /// A room in which everything is as the default rules ask for it.
    struct Room {
        policy: Policy,
        rules: Rules,
        jid: BareJid,
        view: RoomView,
        settings: Settings,
        occupants: Vec<Requester>,
        may: Vec<(BareJid, May)>,
        standing: Vec<Standing>,
        forgets: bool,
    }

    impl Room {
        fn new() -> Self {
            let opened = Timestamp::UNIX_EPOCH;
            let record = Record::new(opened, "ann@example.org".to_owned(), Some(Source::Generated));
            Self {
                policy: Policy::default(),
                rules: Rules::default(),
                jid: jid("tea@conference.example.org"),
                view: RoomView {
                    exists: true,
                    has_password: true,
                    record: Some(record),
                    ..RoomView::default()
                },
                settings: Settings {
                    hidden: Some(true),
                    persistent: Some(false),
                    moderated: Some(false),
                    suspended: Some(false),
                },
                occupants: vec![somebody("ann@example.org")],
                may: Vec::new(),
                standing: vec![owner("ann@example.org", true)],
                forgets: false,
            }
        }

        fn password(&mut self) -> &mut Password {
            Arc::make_mut(&mut self.rules.password)
        }

        fn lobby(&mut self) -> &mut Lobby {
            Arc::make_mut(&mut self.rules.lobby)
        }

        fn access(&mut self) -> &mut Access {
            Arc::make_mut(&mut self.rules.access)
        }

        fn moderators(&mut self) -> &mut Moderators {
            Arc::make_mut(&mut self.rules.moderators)
        }

        fn drifts(&self) -> Vec<Drift> {
            compare(&Scene {
                policy: &self.policy,
                rules: &self.rules,
                room: &self.jid,
                view: &self.view,
                settings: self.settings,
                occupants: &self.occupants,
                may: &self.may,
                standing: &self.standing,
                forgets: self.forgets,
                now: Timestamp::UNIX_EPOCH,
            })
        }

        fn in_short(&self) -> Vec<String> {
            let who = |drift: &Drift| drift.who.as_ref().map(|jid| format!(" {jid}"));
            let short = |drift: &Drift| {
                let who = who(drift).unwrap_or_default();
                format!(
                    "{}@{}{who}: {} -> {}",
                    drift.rule.name, drift.rule.line, drift.is, drift.should
                )
            };
            self.drifts().iter().map(short).collect()
        }
    }

    fn somebody(address: &str) -> Requester {
        Requester {
            jid: address.parse().ok(),
            auth: Auth::Account,
            secure: Some(true),
            ..Requester::default()
        }
    }

    fn owner(address: &str, moderator: bool) -> Standing {
        Standing {
            jid: jid(address),
            affiliation: Affiliation::Owner,
            person: moderator.then(|| Person::entered(Entry::Opened).as_moderator(true)),
        }
    }

    fn restricted(chat: Permitted, told: &str) -> Room {
        let mut room = Room::new();
        let permissions = Arc::make_mut(&mut room.rules.permissions);
        permissions.chat.set(chat, 9);
        room.standing.clear();
        room.occupants = vec![somebody("ann@example.org"), somebody("recorder@example.org")];
        room.policy.services.insert(jid("recorder@example.org"), 1);
        let may = May::told(|ability| (ability == Ability::Chat).then_some(told));
        room.may = vec![(jid("ann@example.org"), may)];
        room
    }

    #[test]
    fn somebody_who_was_told_other_permissions_is_told_those_of_the_rules() {
        let other = ["permissions.chat@9 ann@example.org: other permissions -> those of the rules"];
        let nobody = Permitted { classes: ClassSet::NONE, moderators: false };
        let returning = Permitted { classes: ClassSet::of(&[Class::Returning]), ..nobody };
        let mixed = Permitted { moderators: true, ..returning };
        for (rule, told, differs) in [
            (Permitted::EVERYONE, "yes", false),
            (Permitted::EVERYONE, "moderator", true),
            (Permitted::EVERYONE, "no", true),
            (Permitted::EVERYONE, "given", true),
            (Permitted::MODERATORS, "yes", true),
            (Permitted::MODERATORS, "given", false),
            (Permitted::MODERATORS, "moderator", false),
            (Permitted::MODERATORS, "no", true),
            (nobody, "yes", true),
            (nobody, "given", true),
            (nobody, "moderator", true),
            (nobody, "no", false),
            // When they came in, they may have counted as returning or not.
            (returning, "yes", false),
            (returning, "moderator", false),
            (returning, "no", false),
            (mixed, "moderator", false),
            (mixed, "no", true),
        ] {
            let found = restricted(rule, told).in_short();
            assert_eq!(found, &other[..usize::from(differs)], "{rule:?} {told}");
        }
        let mut been_there = restricted(returning, "no");
        been_there.occupants[0].person = Some(Person::entered(Entry::Password));
        assert_eq!(been_there.in_short(), [""; 0], "when they came in they had not been there");
        let drifts = restricted(nobody, "yes").drifts();
        let [drift] = &drifts[..] else { panic!("{drifts:?}") };
        let may = May::told(|ability| (ability == Ability::Chat).then_some("no"));
        assert_eq!(drift.effects.may, [(jid("ann@example.org"), may)]);
    }

    #[test]
    fn a_room_as_it_was_opened_differs_in_nothing() {
        assert_eq!(Room::new().in_short(), [""; 0]);
    }

    #[test]
    fn a_lost_password_is_made_anew_and_told_to_moderators() {
        let mut room = Room::new();
        room.view.has_password = false;
        room.password().required.set(true, 7);
        room.password().source.set(Source::Creator, 8);
        assert_eq!(room.in_short(), ["password.required@7: no password -> a password"]);
        let effects = room.drifts().remove(0).effects;
        assert_eq!(effects.password, Some(NewPassword::Made(Source::Generated)));
        assert_eq!(effects.record.unwrap().password, Some(Source::Generated));
        assert_eq!(effects.notices, [(Audience::Moderators, Notice::PasswordChanged)]);
        room.password().show_to_moderators.value = false;
        room.password().hides = false; // who reads it is a difference of its own
        assert_eq!(room.drifts().remove(0).effects.notices, []);
        room.password().source.value = Source::Derived;
        let record = room.drifts().remove(0).effects.record.unwrap();
        assert_eq!(record.password, Some(Source::Derived));
        room.password().required.value = false;
        assert_eq!(room.in_short(), [""; 0]);
    }

    #[test]
    fn strangers_are_kept_out_where_admission_says_so() {
        let mut room = Room::new();
        room.lobby().admission.set(Admission::Lobby, 3);
        assert_eq!(room.in_short(), ["lobby.admission@3: open to strangers -> members only"]);
        let effects = room.drifts().remove(0).effects;
        assert_eq!((effects.members_only, effects.lobby), (Some(true), None));
        room.view.members_only = true;
        assert_eq!(room.in_short(), [""; 0]);
        room.lobby().admission.value = Admission::Open;
        assert_eq!(room.in_short(), [""; 0], "stricter is no difference");
    }

    #[test]
    fn the_lobby_of_the_service_is_raised_again() {
        let mut room = Room::new();
        room.view.lobby = true;
        let effects = room.drifts().remove(0).effects;
        assert_eq!((effects.members_only, effects.lobby), (Some(true), Some(true)));
    }

    #[test]
    fn listing_and_persistence_are_as_the_file_says() {
        let mut room = Room::new();
        room.settings =
            Settings { hidden: Some(false), persistent: Some(true), ..Settings::default() };
        room.access().hidden.line = 4;
        room.access().persistent.value = Persistence::Never;
        let listed = "access.hidden@4: listed -> hidden";
        let lasting = "access.persistent@0: persistent -> not persistent";
        assert_eq!(room.in_short(), [listed, lasting]);
        let drifts = room.drifts();
        assert_eq!(drifts[0].effects.hidden, Some(true));
        assert_eq!(drifts[1].effects.persistent, Some(false));
        assert!(drifts[0].is_same_as(&drifts[0]) && !drifts[0].is_same_as(&drifts[1]));
        assert!(drifts.iter().all(|drift| compared().any(|rule| rule == drift.rule.name)));
        assert_eq!(family_of(drifts[1].rule.name), "access");

        room.settings =
            Settings { hidden: Some(true), persistent: Some(false), ..Settings::default() };
        room.access().hidden.value = None;
        room.access().persistent.value = Persistence::Always;
        assert_eq!(room.in_short(), ["access.persistent@0: not persistent -> persistent"]);
        room.settings = Settings::default();
        assert_eq!(room.in_short(), [""; 0], "a gate that does not tell");
        room.settings =
            Settings { hidden: Some(false), persistent: Some(true), ..Settings::default() };
        room.access().hidden.value = None;
        room.access().persistent.value = Persistence::ByRoom;
        assert_eq!(room.in_short(), [""; 0], "rules that are off");
        room.access().persistent.value = Persistence::Keep;
        assert_eq!(room.in_short(), [""; 0], "a room is as a person made it");
    }

    #[test]
    fn a_room_that_was_there_differs_only_from_an_override_that_names_it() {
        let mut room = Room::new();
        room.view.has_password = false;
        room.settings =
            Settings { hidden: Some(false), persistent: Some(true), ..Settings::default() };
        room.standing.push(owner("eve@example.org", false));
        let record = Record::new(Timestamp::UNIX_EPOCH, String::new(), None);
        room.view.record = Some(Record { found: true, ..record });
        let base = Rules::default();
        room.rules = base.of_found(&base);
        assert_eq!(room.in_short(), [""; 0]);
        room.access().persistent.value = Persistence::Never;
        let drift = room.drifts().remove(0);
        assert_eq!((drift.effects.persistent, drift.effects.keep), (None, Some(false)));

        let mut over = base.clone();
        Arc::make_mut(&mut over.password).source.set(Source::Preset, 7);
        Arc::make_mut(&mut over.access).hidden.set(Some(true), 8);
        Arc::make_mut(&mut over.lobby).admission.set(Admission::Lobby, 9);
        room.rules = over.of_found(&base);
        let rules: Vec<_> = room.drifts().iter().map(|drift| drift.rule.name).collect();
        assert_eq!(rules, ["password.required", "lobby.admission", "access.hidden"]);
    }

    #[test]
    fn a_room_lasts_while_its_lobby_needs_it() {
        let mut room = Room::new();
        (room.view.lobby, room.view.members_only) = (true, true);
        room.settings.persistent = Some(true);
        assert_eq!(room.in_short(), [""; 0]);
        room.settings.persistent = Some(false);
        room.access().persistent.value = Persistence::Always;
        assert_eq!(room.in_short(), ["access.persistent@0: not persistent -> persistent"]);
    }

    #[test]
    fn an_owner_whom_nothing_entitles_is_one_no_longer() {
        let mut room = Room::new();
        room.standing.push(owner("eve@example.org", false));
        room.moderators().assign.line = 5;
        let differs = ["moderators.assign@5 eve@example.org: owner -> no owner or admin"];
        assert_eq!(room.in_short(), differs);
        let demoted = |room: &Room| room.drifts().remove(0).effects.demote;
        assert_eq!(demoted(&room), [(jid("eve@example.org"), Affiliation::None)]);
        room.occupants.push(somebody("eve@example.org"));
        assert_eq!(room.in_short(), differs);
        assert_eq!(demoted(&room), [(jid("eve@example.org"), Affiliation::Member)]);
        room.occupants[1].affiliation = Affiliation::Owner;
        assert_eq!(room.in_short(), differs, "what they have entitles them to nothing");
        room.standing[1].affiliation = Affiliation::Admin;
        let admin = differs.map(|differs| differs.replace("owner ->", "admin ->"));
        assert_eq!(room.in_short(), admin);

        room.standing[1].affiliation = Affiliation::Member;
        assert_eq!(room.in_short(), [""; 0]);
        room.standing[1] = owner("eve@example.org", true);
        assert_eq!(room.in_short(), [""; 0], "granted");
        room.standing[1].person = Some(Person::entered(Entry::Password));
        assert_eq!(room.in_short(), differs);
    }

    #[test]
    fn an_owner_stays_where_a_rule_or_a_doubt_says_so() {
        let with = |change: fn(&mut Room)| {
            let mut room = Room::new();
            room.standing.push(owner("eve@example.org", false));
            change(&mut room);
            room.in_short()
        };
        let nothing = [""; 0];
        assert_eq!(
            with(|room| {
                room.policy.services.insert(jid("eve@example.org"), 1);
            }),
            nothing
        );
        assert_eq!(
            with(|room| {
                room.policy.operators.insert(jid("eve@example.org"), 1);
            }),
            nothing
        );
        assert_eq!(
            with(|room| {
                room.moderators().domains.value.insert("example.org".to_owned());
            }),
            nothing
        );
        assert_eq!(with(|room| room.forgets = true), nothing);
        assert_eq!(with(|room| room.moderators().by_room = true), nothing);
        let anyone =
            |room: &mut Room| room.view.record.as_mut().unwrap().opener = SmolStr::default();
        assert_eq!(with(anyone), nothing);
        assert_eq!(with(|room| room.view.record = None), nothing);
    }

    #[test]
    fn whoever_may_not_be_inside_is_removed_once() {
        let mut room = Room::new();
        room.access().encrypted.line = 9;
        let mut eve = somebody("eve@example.org");
        eve.secure = Some(false);
        room.occupants.extend([eve.clone(), eve]);
        assert_eq!(room.in_short(), ["access.encrypted@9 eve@example.org: inside -> outside"]);
        let effects = room.drifts().remove(0).effects;
        assert_eq!(effects.remove, [(jid("eve@example.org"), Denial::NotEncrypted)]);
        assert_eq!(effects.people, [(jid("eve@example.org"), None)]);
    }

    #[test]
    fn a_focus_may_try_itself_out() {
        let mut room = Room::new();
        (room.jid, room.view.has_password) = (jid("__jicofo-health-check1@c.example"), false);
        assert_eq!(room.drifts().len(), 1);
        room.policy.focuses.insert("c.example".to_owned(), jid("ann@example.org"));
        assert_eq!(room.in_short(), [""; 0]);
    }

    #[test]
    fn a_room_differs_in_nothing_from_rules_that_are_off() {
        let mut room = Room::new();
        room.view.has_password = false;
        room.settings =
            Settings { hidden: Some(false), persistent: Some(true), ..Settings::default() };
        room.standing.push(owner("eve@example.org", false));
        room.lobby().admission.value = Admission::Lobby;
        room.access().persistent.value = Persistence::Never;
        assert_eq!(room.drifts().len(), 5);
        for switch in SWITCHES.iter() {
            (switch.off)(&mut room.rules);
        }
        // By such rules they were told so when they came in.
        let is_free = |ability| matches!(ability, Ability::Record | Ability::Dial);
        let may = May::told(|ability| is_free(ability).then_some("yes"));
        room.may = room.occupants.iter().map(|who| (who.jid.clone().unwrap(), may)).collect();
        assert_eq!(room.in_short(), [""; 0]);
    }

    /// An exception from this rule for everybody, which ends one second later.
    fn exception_from(rule: &str) -> Exception {
        Exception {
            line: 1,
            until: Timestamp::from_second(1).ok(),
            rooms: None,
            rules: vec![SWITCHES.iter().position(|switch| switch.name == rule).unwrap()],
            bans: false,
            reason: String::new(),
        }
    }

    #[test]
    fn somebody_who_is_excepted_may_what_others_may_not() {
        let mut room = restricted(Permitted::MODERATORS, "yes");
        assert_eq!(room.drifts().len(), 1);
        let whom = Whom::Jid(jid("ann@example.org"));
        room.policy.exceptions.add(whom, exception_from("permissions.chat"));
        assert_eq!(room.in_short(), [""; 0]);
    }

    #[test]
    fn a_room_that_is_excepted_from_a_rule_does_not_differ_from_it() {
        let mut room = Room::new();
        room.view.has_password = false;
        room.settings.hidden = Some(false);
        let exception = exception_from("password.required");
        room.policy.exceptions.add(Whom::All, exception.clone());
        assert_eq!(room.in_short(), ["access.hidden@0: listed -> hidden"]);
        room.policy.exceptions = Exceptions::default();
        let over = Exception { until: Some(Timestamp::UNIX_EPOCH), ..exception };
        room.policy.exceptions.add(Whom::All, over);
        assert_eq!(room.drifts().len(), 2);
    }
}
