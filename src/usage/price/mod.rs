//! What requests cost.
//!
//! Always true here: amounts are exact, rounded once to 10⁻⁹ US dollars; what
//! is not known to the last kind of token has no price rather than a wrong one.

mod model;
mod parse;

use std::collections::HashMap;

use super::event::{Metered, Tokens};
use super::money::Nano;
use crate::name::ProviderName;

pub use self::parse::BadPrices;

/// The prices that are in the program.
const EMBEDDED: &str = include_str!("../../../prices/prices.json");
const MILLION: i128 = 1_000_000;

/// Prices of models.
#[derive(Debug, Clone)]
pub struct Prices {
    /// What wins comes first.
    tables: Vec<Table>,
}

/// What one file says.
#[derive(Debug, Clone, Default)]
struct Table {
    as_of: Option<String>,
    providers: HashMap<String, Models>,
}

/// The models of one provider. Under each name its price, or that it has none.
#[derive(Debug, Clone, Default)]
struct Models {
    exact: HashMap<String, Option<Price>>,
    /// With `*`, the most exact first.
    globs: Vec<(String, Option<Price>)>,
}

/// Prices of a million tokens of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Price {
    rates: Rates,
    long: Option<Long>,
}

/// `None` where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Rates {
    input: Option<Nano>,
    cached: Option<Nano>,
    cache_write: Option<Nano>,
    cache_write_long: Option<Nano>,
    output: Option<Nano>,
}

/// Prices of a whole request that has more input than so many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Long {
    above: u64,
    rates: Rates,
}

impl Prices {
    /// Those that are in the program.
    pub fn embedded() -> Self {
        // A test reads it; without it, nothing has a price.
        let table = parse::table(EMBEDDED).unwrap_or_default();
        Self {
            tables: vec![table],
        }
    }

    /// Those in the program, and a file of the user's that wins over them.
    ///
    /// # Errors
    /// The file is not of the form of `schemas/prices.schema.json`.
    pub fn with_override(text: &str) -> Result<Self, BadPrices> {
        let mut prices = Self::embedded();
        prices.tables.insert(0, parse::table(text)?);
        Ok(prices)
    }

    /// The day that the newest of these prices are of, as the file says it.
    pub fn as_of(&self) -> Option<&str> {
        self.tables.iter().find_map(|table| table.as_of.as_deref())
    }

    /// What a request cost: what its answer says that it cost, else what the
    /// prices make of its tokens. `None` where anything about that is not
    /// known: the model, the price of a kind of token that was used, a way of
    /// billing other than by tokens, or counts that contradict each other.
    pub fn cost(&self, provider: &ProviderName, metered: &Metered) -> Option<Nano> {
        if let Some(said) = metered.said_cost {
            return (said.0 >= 0).then_some(said);
        }
        if metered.is_special {
            return None;
        }
        let tokens = metered.tokens?;
        let price = self.of(provider, metered.model.as_deref()?)?;
        price.of(&tokens)
    }

    fn of<'a>(&'a self, provider: &ProviderName, model: &str) -> Option<&'a Price> {
        let of_provider = |table: &'a Table| table.providers.get(provider.as_str());
        let found = self.tables.iter().filter_map(of_provider);
        found
            .filter_map(|models| models.find(model))
            .next()?
            .as_ref()
    }
}

impl Models {
    /// The price under this name, or under it without its date.
    fn find(&self, model: &str) -> Option<&Option<Price>> {
        let name = model::without_prefix(model);
        let exact = self.exact.get(name);
        let dateless = || self.exact.get(model::without_date(name)?);
        let glob = || {
            let matching = |(glob, _): &&(String, Option<Price>)| model::matches(glob, name);
            self.globs.iter().find(matching).map(|(_, price)| price)
        };
        exact.or_else(dateless).or_else(glob)
    }
}

impl Price {
    fn of(&self, tokens: &Tokens) -> Option<Nano> {
        let rates = match &self.long {
            Some(long) if tokens.input > long.above => &long.rates,
            _ => &self.rates,
        };
        let uncached = tokens
            .input
            .checked_sub(tokens.cached)?
            .checked_sub(tokens.cache_write)?
            .checked_sub(tokens.cache_write_long)?;
        let sum = [
            (uncached, rates.input),
            (tokens.cached, rates.cached),
            (tokens.cache_write, rates.cache_write),
            (tokens.cache_write_long, rates.cache_write_long),
            (tokens.output, rates.output),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .try_fold(0_i128, |sum, (count, rate)| {
            sum.checked_add(i128::from(count).checked_mul(i128::from(rate?.0))?)
        })?;
        let rounded = sum.checked_add(MILLION / 2)? / MILLION;
        i64::try_from(rounded).ok().map(Nano)
    }
}

#[cfg(test)]
mod tests;
