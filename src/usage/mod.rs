//! What was used and what it cost: events of requests, token counts of
//! answers, prices, and the database that keeps them.
//!
//! Always true here: no header, query, body or secret gets in; what is not
//! known is absent and never guessed; nothing here holds a request up.

mod event;
mod ledger;
pub mod meter;
mod money;
mod price;
mod query;
mod recorder;
mod store;

pub use self::event::{Event, Metered, Tokens};
pub use self::ledger::{Ledger, Spent, Stopped};
pub use self::money::Nano;
pub use self::price::{BadPrices, Prices};
pub use self::query::{Bucket, By, NO_MODEL, Point, Query, Report, Row, rows, series};
pub use self::recorder::{Clock, Recorder, Settings, Warn};
pub use self::store::{BadStore, roll_up};
