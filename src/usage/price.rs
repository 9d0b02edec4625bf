//! temporary
use super::{Metered, Nano};
use crate::name::ProviderName;
pub struct Prices;
impl Prices {
    pub fn embedded() -> Self {
        Self
    }
    pub fn with_override(_: &str) -> Result<Self, std::fmt::Error> {
        Ok(Self)
    }
    pub fn cost(&self, _: &ProviderName, _: &Metered) -> Option<Nano> {
        None
    }
}
