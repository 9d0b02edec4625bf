//! One file per command: its arguments, and a short `run`.

pub mod agent;
pub mod backups;
pub mod ca;
pub mod completions;
pub mod connection;
pub mod doctor;
pub mod export;
pub mod get;
pub mod history;
pub mod import;
pub mod init;
pub mod isolate;
pub mod list;
pub mod login;
pub mod logout;
pub mod man;
pub mod provider;
pub mod recipients;
pub mod rekey;
pub mod rule;
pub mod run;
pub mod scan;
pub mod secret;
pub mod serve;
pub mod unlock;
pub mod verify;
