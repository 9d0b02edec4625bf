//! The catalog, the schema and definitions from elsewhere, through the
//! library's own doors.

mod authsome;
mod bundled;
mod catalog;
mod hostile;
mod schema;
