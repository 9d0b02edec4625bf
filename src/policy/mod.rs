//! What an agent may do: rules, limits, budgets and routes, as `policy.json`
//! says them. Pure: values in, decisions out.

mod period;
mod stub;
mod window;

pub use self::period::Period;
pub use self::stub::*;
pub use self::window::{Wait, Window};
