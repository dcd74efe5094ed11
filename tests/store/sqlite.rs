//! SQLite.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Database as _, StoreError};

fn fresh() -> (Sqlite, TempDir) {
    let home = tempfile::tempdir().unwrap();
    (Sqlite::new(home.path().join("state/vestibule.db")), home)
}

crate::suite::suite!(fresh());

#[test]
fn its_files_are_their_owner_s() {
    let (database, _home) = fresh();
    let _connection = database.connect().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", database.path().display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let (database, _home) = fresh();
    drop(database.connect().unwrap());
    let file = rusqlite::Connection::open(database.path()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let refused = database.connect().err().unwrap();
    assert!(matches!(refused, StoreError::Lasting(reason) if reason.contains("newer")));
}
