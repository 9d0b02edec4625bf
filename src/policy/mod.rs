//! What an agent may do: rules, limits, budgets and routes, as `policy.json`
//! says them. Pure: values in, decisions out.

mod period;
mod window;

pub use self::period::Period;
pub use self::window::{Wait, Window};
