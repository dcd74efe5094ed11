//! Updates the names of rules in entries that were written before the rules were renamed.

/// The statement that gives a table's entries the names that rules have since schema 4 of SQLite and schema 2 of
/// PostgreSQL. Never changed: a later name is a later migration.
macro_rules! renamed_rules {
    ($table:literal) => {
        concat!(
            "
            WITH renamed (name_before, name_now) AS (VALUES
                ('access.open', 'access.create'),
                ('limits.wave', 'limits.flood_strangers'),
                ('limits.wave_strangers', 'limits.flood_strangers'),
                ('lobby.knocks', 'lobby.max_knocks'),
                ('lobby.rescue', 'lobby.unattended'),
                ('moderators.become', 'moderators.assign'),
                ('password.guesses', 'password.guesses.burst'),
                ('password.guesses.free', 'password.guesses.burst'),
                ('password.guesses.room_free', 'password.guesses.room_burst'),
                ('password.tell', 'password.show_to_moderators'),
                ('permissions.desktop', 'permissions.screen_share'),
                ('policy.reserved_nicks', 'names.reserved'),
                ('removal.keep_out', 'removal.keep_out_for'),
                ('settings.max_occupants_least', 'settings.max_occupants_min'),
                ('settings.max_occupants_most', 'settings.max_occupants_max'))
            UPDATE ",
            $table,
            " SET rule = (SELECT name_now FROM renamed WHERE name_before = rule)
                WHERE rule IN (SELECT name_before FROM renamed);
            "
        )
    };
}
pub(super) use renamed_rules;
