//! One file per command: its arguments, and a short `run`.

pub mod backups;
pub mod doctor;
pub mod history;
pub mod init;
pub mod recipients;
pub mod rekey;
pub mod unlock;
