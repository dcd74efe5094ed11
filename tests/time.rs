//! Opening hours and timers, on a clock that the test controls.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/any.rs"]
#[expect(dead_code, reason = "only some of it is used here")]
mod any;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::{Offset, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vestibule::policy::Rules;
use vestibule::policy::attempt::RoomView;
use vestibule::policy::denial::Clock;
use vestibule::policy::hours::{AtEnd, Hours, Phase, Span};
use vestibule::policy::notice::Notice;
use vestibule::policy::record::{Closed, JoinFlood, Record, Suspended};
use vestibule::policy::timers::{Agenda, Deed, Scene, agenda, effects};

const EVERY_DAY: u8 = 0x7f;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn after(moment: Timestamp, seconds: i64) -> Timestamp {
    moment + SignedDuration::from_secs(seconds)
}

fn hours(zone: &str, spans: &[(u8, u32, u32)]) -> Hours {
    let mut hours = Hours::default();
    hours.zone.value = TimeZoneDatabase::bundled().get(zone).unwrap();
    let span = |&(days, from, to)| Span { days, from: from * 60, to: to * 60 };
    hours.open.value = spans.iter().map(span).collect();
    hours
}

#[test]
fn hours_or_a_day_without_any_are_hours() {
    assert!(Hours::default().are_none());
    assert!(!hours("UTC", &[(EVERY_DAY, 480, 1080)]).are_none());
    let mut holiday = Hours::default();
    holiday.closed_on.value = vec!["2026-12-25".parse().unwrap()];
    assert!(!holiday.are_none());
}

#[test]
fn a_working_day_has_its_hours_in_summer_and_in_winter() {
    let hours = hours("Europe/Berlin", &[(0b001_1111, 480, 1080)]);
    // The Friday before the clock is set forward, and the Monday after.
    let (friday, monday) = (at("2026-03-27T17:00:00Z"), at("2026-03-30T06:00:00Z"));
    assert_eq!(hours.phase(friday), Phase::Closed { since: Some(friday), until: Some(monday) });
    assert_eq!(hours.phase(after(friday, -1)), Phase::Open { until: friday });
    assert_eq!(hours.phase(monday), Phase::Open { until: at("2026-03-30T16:00:00Z") });
    assert_eq!(hours.opens_after(monday), Some(at("2026-03-31T06:00:00Z")), "not at that moment");
}

#[test]
fn an_hour_that_is_not_there_does_not_take_place_and_one_that_comes_twice_is_open_twice() {
    let hours = hours("Europe/Berlin", &[(EVERY_DAY, 120, 180)]);
    assert_eq!(hours.opens_after(at("2026-03-29T00:00:00Z")), Some(at("2026-03-30T00:00:00Z")));
    let (first, last) = (at("2026-10-25T00:00:00Z"), at("2026-10-25T02:00:00Z"));
    assert_eq!(hours.opens_after(at("2026-10-24T12:00:00Z")), Some(first));
    assert_eq!(hours.phase(first), Phase::Open { until: last });
    assert!(hours.is_open(at("2026-10-25T01:30:00Z")) && !hours.is_open(last));
}

#[test]
fn hours_that_begin_or_end_in_the_hour_that_is_skipped_do_so_when_the_clock_is_set() {
    let forward = at("2026-03-29T01:00:00Z");
    let late = hours("Europe/Berlin", &[(EVERY_DAY, 150, 300)]);
    assert_eq!(late.opens_after(at("2026-03-28T12:00:00Z")), Some(forward));
    let early = hours("Europe/Berlin", &[(EVERY_DAY, 0, 150)]);
    assert_eq!(early.phase(at("2026-03-29T00:30:00Z")), Phase::Open { until: forward });
}

#[test]
fn hours_that_follow_one_another_are_one() {
    // From 22 to 2 o'clock: until midnight, and from then on.
    let hours = hours("UTC", &[(EVERY_DAY, 1320, 1440), (EVERY_DAY, 0, 120)]);
    let end = at("2026-01-02T02:00:00Z");
    assert_eq!(hours.phase(at("2026-01-01T23:00:00Z")), Phase::Open { until: end });
}

#[test]
fn a_day_without_hours_is_closed_from_midnight_to_midnight() {
    let mut hours = hours("UTC", &[(EVERY_DAY, 0, 1440)]);
    assert_eq!(hours.phase(at("2026-12-24T12:00:00Z")), Phase::Always);
    hours.closed_on.value = vec!["2026-12-25".parse().unwrap()];
    let (from, to) = (at("2026-12-25T00:00:00Z"), at("2026-12-26T00:00:00Z"));
    assert_eq!(hours.phase(at("2026-12-24T12:00:00Z")), Phase::Open { until: from });
    assert_eq!(hours.phase(from), Phase::Closed { since: Some(from), until: Some(to) });
    hours.open.value = Vec::new();
    assert_eq!(hours.phase(from), Phase::Closed { since: Some(from), until: Some(to) });
}

#[test]
fn many_days_without_hours_are_passed_over() {
    let mut hours = hours("UTC", &[(1, 480, 540)]);
    let monday = |week: i64| at("2026-01-05T08:00:00Z") + SignedDuration::from_hours(week * 168);
    let date = |week| Offset::UTC.to_datetime(monday(week)).date();
    hours.closed_on.value = (0..100).map(date).collect();
    assert_eq!(hours.opens_after(at("2026-01-01T00:00:00Z")), Some(monday(100)));
}

proptest! {
    #[test]
    fn hours_are_total_and_the_next_opening_is_after_now_and_open(
        hours in any::hours(),
        now in prop_oneof![
            9 => (1_767_000_000_i64..1_799_000_000).prop_map(|s| Timestamp::from_second(s).unwrap()),
            1 => any::moment(),
        ],
    ) {
        match hours.phase(now) {
            Phase::Always => prop_assert!(hours.is_open(now)),
            Phase::Open { until } => {
                prop_assert!(hours.is_open(now) && until > now);
                prop_assert!(!hours.is_open(until));
                prop_assert!(hours.is_open(until - SignedDuration::from_nanos(1)));
            }
            Phase::Closed { since, until } => {
                prop_assert!(!hours.is_open(now));
                if let Some(since) = since {
                    prop_assert!(since <= now && !hours.is_open(since));
                    prop_assert!(hours.is_open(since - SignedDuration::from_nanos(1)));
                }
                prop_assert_eq!(until, hours.opens_after(now));
                if let Some(until) = until {
                    prop_assert!(until > now && hours.is_open(until));
                    prop_assert!(!hours.is_open(until - SignedDuration::from_nanos(1)));
                }
            }
        }
        let is_far = now == Timestamp::MIN || now == Timestamp::MAX;
        let opens = hours.opens_after(now);
        prop_assert!(is_far || opens.is_some() || hours.are_none(), "{:?}", opens);
    }
}

/// A room that was opened at noon of a Thursday, and what is due in it.
struct Room {
    rules: Rules,
    record: Record,
    unmoderated: Option<Timestamp>,
    last_stranger: Option<Timestamp>,
}

const NOON: &str = "2026-01-01T12:00:00Z";

impl Room {
    fn new(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::default();
        change(&mut rules);
        let record = Record::new(at(NOON), "ann@example.org".to_owned(), None);
        Self { rules, record, unmoderated: None, last_stranger: None }
    }

    fn agenda(&self, now: Timestamp) -> Agenda {
        agenda(&Scene {
            rules: &self.rules,
            record: &self.record,
            phase: self.rules.hours.phase(now),
            unmoderated: self.unmoderated,
            last_stranger: self.last_stranger,
            now,
        })
    }

    /// Lives through that many seconds, from one moment to the next at which something is due, and tells
    /// after how many seconds what happened by which rule.
    fn live(&mut self, seconds: i64) -> Vec<(i64, &'static str, Deed)> {
        let (mut now, end) = (at(NOON), after(at(NOON), seconds));
        let mut done = Vec::new();
        for _ in 0..100 {
            let Agenda { due, next } = self.agenda(now);
            if let Some(due) = due {
                done.push((now.duration_since(at(NOON)).as_secs(), due.rule.name, due.deed));
                if matches!(due.deed, Deed::End(_)) {
                    return done;
                }
                let view = RoomView { record: Some(self.record.clone()), ..RoomView::default() };
                let effects = effects(due.deed, &view, now);
                assert_eq!(effects.notices.len(), 1, "{:?}", due.deed);
                self.record = effects.record.unwrap();
                continue;
            }
            match next.filter(|next| *next <= end) {
                Some(next) => {
                    assert!(next > now, "{next} is not after {now}");
                    now = next;
                }
                None => return done,
            }
        }
        panic!("it does not come to rest: {done:?}");
    }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn warning(second: i64, notice: Notice) -> Deed {
    Deed::Warn { of: after(at(NOON), second), notice }
}

#[test]
fn without_rules_nothing_is_ever_due() {
    let mut room = Room::new(|_| {});
    room.unmoderated = Some(at(NOON));
    assert_eq!(room.agenda(at("2036-01-01T00:00:00Z")), Agenda::default());
}

#[test]
fn a_room_ends_after_its_time_and_is_told_before() {
    let mut room =
        Room::new(|rules| Arc::make_mut(&mut rules.limits).duration.value = seconds(3600));
    let told = warning(3600, Notice::EndsIn(Duration::from_secs(300)));
    let (rule, end) = ("limits.duration", Deed::End(Notice::TimeIsUp));
    assert_eq!(room.live(9999), [(3300, rule, told), (3600, rule, end)]);
}

#[test]
fn a_room_that_was_told_is_not_told_again_by_another_process() {
    let mut room =
        Room::new(|rules| Arc::make_mut(&mut rules.limits).duration.value = seconds(3600));
    assert_eq!(room.live(3301).len(), 1);
    room.record = Record::read(&room.record.write()).unwrap();
    assert_eq!(room.agenda(after(at(NOON), 3400)).due, None);
}

#[test]
fn a_warning_is_kept_until_what_it_was_about_has_come() {
    let (now, notice) = (at(NOON), Notice::TimeIsUp);
    let mut record = Record::new(now, String::new(), None);
    record.warned = vec![after(now, -1), now, after(now, 1)];
    let view = RoomView { record: Some(record), ..RoomView::default() };
    let told = effects(Deed::Warn { of: after(now, 9), notice }, &view, now).record.unwrap();
    assert_eq!(told.warned, [after(now, 1), after(now, 9)]);
}

#[test]
fn what_is_due_now_is_not_what_comes_next() {
    let room = Room::new(|rules| Arc::make_mut(&mut rules.limits).duration.value = seconds(60));
    let at_its_end = room.agenda(after(at(NOON), 60));
    assert!(at_its_end.due.is_some());
    assert_eq!(at_its_end.next, None);
}

#[test]
fn a_room_shorter_than_the_warning_is_told_at_once_and_never_warned_where_there_is_none() {
    let mut room = Room::new(|rules| Arc::make_mut(&mut rules.limits).duration.value = seconds(60));
    let told = warning(60, Notice::EndsIn(Duration::from_secs(60)));
    assert_eq!(room.live(9999)[0], (0, "limits.duration", told));
    let mut room = Room::new(|rules| {
        let limits = Arc::make_mut(&mut rules.limits);
        limits.duration.value = seconds(60);
        limits.warn_before.value = None;
    });
    let end = Deed::End(Notice::TimeIsUp);
    assert_eq!(room.live(9999), [(60, "limits.duration", end)]);
}

#[test]
fn a_room_closes_after_its_time_and_once_more_after_it_was_reopened() {
    let mut room = Room::new(|rules| Arc::make_mut(&mut rules.close).after.value = seconds(600));
    let close = Deed::Close(Closed::Time);
    assert_eq!(room.live(9999), [(600, "close.after", close)]);
    assert_eq!(room.record.closed, Some(Closed::Time));
    room.record.closed = None;
    room.record.reopened = Some(after(at(NOON), 1000));
    assert_eq!(room.live(9999), [(1600, "close.after", close)]);
}

#[test]
fn a_room_without_a_moderator_is_closed_and_ends_if_none_comes() {
    let mut room = Room::new(|rules| {
        Arc::make_mut(&mut rules.close).when_unmoderated.value = seconds(60);
        Arc::make_mut(&mut rules.limits).without_moderator.value = seconds(900);
    });
    assert_eq!(room.live(9999), [], "a moderator is inside");
    room.unmoderated = Some(after(at(NOON), 100));
    let told = warning(1000, Notice::EndsIn(Duration::from_secs(300)));
    let expected = [
        (160, "close.when_unmoderated", Deed::Close(Closed::Unmoderated)),
        (700, "limits.without_moderator", told),
        (1000, "limits.without_moderator", Deed::End(Notice::NoModerator)),
    ];
    assert_eq!(room.live(9999), expected);
}

#[test]
fn who_reopens_a_room_without_a_moderator_has_as_long_again() {
    let mut room =
        Room::new(|rules| Arc::make_mut(&mut rules.close).when_unmoderated.value = seconds(60));
    room.unmoderated = Some(at(NOON));
    room.record.reopened = Some(after(at(NOON), 500));
    let close = Deed::Close(Closed::Unmoderated);
    assert_eq!(room.live(9999), [(560, "close.when_unmoderated", close)]);
}

fn until_one(at_end: AtEnd) -> Room {
    Room::new(|rules| {
        let mut hours = hours("UTC", &[(EVERY_DAY, 480, 780)]);
        hours.at_end.value = at_end;
        rules.hours = Arc::new(hours);
    })
}

/// The end of a room whose hours are over, until then, in UTC.
fn hours_are_over(opens: &str) -> Deed {
    let opens = Clock { local: opens.parse().unwrap(), offset: Offset::UTC };
    Deed::End(Notice::HoursAreOver(Some(opens)))
}

#[test]
fn when_the_hours_end_rooms_stay_or_close_or_end() {
    assert_eq!(until_one(AtEnd::Stay).live(99_999), []);
    let rule = "hours.at_end";
    let told = warning(3600, Notice::ClosesIn(Duration::from_secs(300)));
    let close = (3600, rule, Deed::Close(Closed::Hours));
    assert_eq!(until_one(AtEnd::Close).live(99_999), [(3300, rule, told), close]);
    let told = warning(3600, Notice::EndsIn(Duration::from_secs(300)));
    let end = (3600, rule, hours_are_over("2026-01-02T08:00:00"));
    assert_eq!(until_one(AtEnd::End).live(99_999), [(3300, rule, told), end]);
}

#[test]
fn what_is_opened_outside_of_the_hours_ends_with_the_next_ones() {
    let mut room = until_one(AtEnd::End);
    room.record.opened = at("2026-01-01T20:00:00Z");
    let night = room.agenda(at("2026-01-01T20:00:01Z"));
    assert_eq!(night.due, None);
    room.record.opened = at("2026-01-01T13:00:00Z");
    assert_eq!(room.agenda(at("2026-01-01T20:00:01Z")).due, None, "opened as they ended");
    let due = room.agenda(at("2026-01-02T13:00:00Z")).due.unwrap();
    assert_eq!(due.deed, hours_are_over("2026-01-03T08:00:00"));
}

#[test]
fn what_was_not_ended_in_time_is_ended_late_but_not_in_the_next_hours() {
    let room = until_one(AtEnd::End);
    let late = room.agenda(at("2026-01-01T23:00:00Z")).due.unwrap();
    assert_eq!(late.deed, hours_are_over("2026-01-02T08:00:00"));
    let next = room.agenda(at("2026-01-02T09:00:00Z"));
    assert_eq!((next.due, next.next), (None, Some(at("2026-01-02T12:55:00Z"))));
}

#[test]
fn of_what_is_due_at_once_the_gravest_is_done() {
    let mut room = until_one(AtEnd::Close);
    let limits = Arc::make_mut(&mut room.rules.limits);
    limits.duration.value = seconds(3600);
    Arc::make_mut(&mut room.rules.close).after.value = seconds(3600);
    let due = room.agenda(after(at(NOON), 3600)).due.unwrap();
    assert_eq!(due.deed, Deed::End(Notice::TimeIsUp));
}

#[test]
fn a_wave_is_over_when_no_stranger_has_come_for_a_while() {
    let mut room = Room::new(|rules| Arc::make_mut(&mut rules.limits).flood_strangers.value = 3);
    room.record.wave = Some(JoinFlood { since: at(NOON), lobby: true });
    assert_eq!(room.agenda(at(NOON)).next, Some(after(at(NOON), 600)));
    room.last_stranger = Some(after(at(NOON), 30));
    assert_eq!(room.live(9999), [(630, "limits.flood_strangers", Deed::Calm)]);
    assert_eq!(room.record.wave, None);
    // But not while the room is suspended: nobody comes in then.
    room.record.wave = Some(JoinFlood { since: at(NOON), lobby: true });
    room.record.suspended = Some(Suspended { since: at(NOON), raised: false });
    assert_eq!(room.live(9999), []);
    room.record.suspended = None;
    // And at once where the rule is gone.
    room.record.wave = Some(JoinFlood { since: at(NOON), lobby: false });
    Arc::make_mut(&mut room.rules.limits).flood_strangers.value = 0;
    assert_eq!(room.live(9999), [(0, "limits.flood_strangers", Deed::Calm)]);
}

#[test]
fn the_lobby_of_a_wave_is_taken_down_only_if_it_was_put_up_for_it() {
    for lobby in [true, false] {
        let mut room = Room::new(|_| {});
        room.record.wave = Some(JoinFlood { since: at(NOON), lobby });
        let view = RoomView { record: Some(room.record), ..RoomView::default() };
        let effects = effects(Deed::Calm, &view, at(NOON));
        let down = lobby.then_some(false);
        assert_eq!((effects.lobby, effects.members_only), (down, down));
    }
}

#[test]
fn what_timers_do_has_a_name_in_the_log() {
    let warned = warning(0, Notice::TimeIsUp);
    let deeds = [Deed::End(Notice::TimeIsUp), Deed::Close(Closed::Time), Deed::Calm, warned];
    assert_eq!(deeds.map(Deed::name), ["ended", "closed", "lowered", "warned"]);
}
