//! One file per command: its arguments, and a short `run`.

pub mod backups;
pub mod doctor;
pub mod get;
pub mod history;
pub mod init;
pub mod list;
pub mod login;
pub mod recipients;
pub mod rekey;
pub mod unlock;
