//! `prices.json`, read strictly: a member that nobody knows is a mistake in a
//! file about money.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Long, Models, Price, Rates, Table, model};
use crate::jsonc;
use crate::name::ProviderName;
use crate::text;
use crate::usage::money::Nano;

/// A file of prices is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct BadPrices {
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

pub(super) fn table(text: &str) -> Result<Table, BadPrices> {
    let plain = jsonc::plain(text).map_err(|malformed| {
        let (line, column) = jsonc::position(text, malformed.offset);
        BadPrices {
            line,
            column,
            what: malformed.to_string(),
        }
    })?;
    let file: File = serde_json::from_str(&plain).map_err(bad)?;
    let providers = file.prices.0.into_iter();
    Ok(Table {
        as_of: file.as_of,
        providers: providers
            .map(|(name, models)| (name.0, models.into()))
            .collect(),
    })
}

fn bad(error: serde_json::Error) -> BadPrices {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = error.to_string();
    BadPrices {
        line: error.line(),
        column: error.column(),
        what: text::printable(what.strip_suffix(&place).unwrap_or(&what)).into_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    as_of: Option<String>,
    prices: Unique<Provider, Unique<String, Option<Row>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    aliases: Vec<String>,
    input: Option<Amount>,
    cached: Option<Amount>,
    cache_write: Option<Amount>,
    cache_write_long: Option<Amount>,
    output: Option<Amount>,
    long_context: Option<LongRow>,
    #[serde(rename = "as_of")]
    _as_of: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongRow {
    above: u64,
    input: Option<Amount>,
    cached: Option<Amount>,
    cache_write: Option<Amount>,
    cache_write_long: Option<Amount>,
    output: Option<Amount>,
}

impl From<Unique<String, Option<Row>>> for Models {
    fn from(rows: Unique<String, Option<Row>>) -> Self {
        let mut exact = HashMap::new();
        let mut globs = Vec::new();
        let mut later = Vec::new();
        for (name, row) in rows.0 {
            let (price, aliases) = row.map_or((None, Vec::new()), Row::split);
            if name.contains('*') {
                globs.push((name, price));
                continue;
            }
            let latest = model::without_latest(&name).map(str::to_owned);
            for other in aliases.into_iter().chain(latest) {
                later.push((other, price.clone()));
            }
            exact.insert(name, price);
        }
        // A name of its own wins over another's alias.
        for (name, price) in later {
            exact.entry(name).or_insert(price);
        }
        // What is spelled out more wins; then by name, so that it is one order.
        globs.sort_by_key(|(glob, _): &(String, _)| {
            let spelled = glob.chars().filter(|&character| character != '*').count();
            (std::cmp::Reverse(spelled), glob.clone())
        });
        Self { exact, globs }
    }
}

impl Row {
    fn split(self) -> (Option<Price>, Vec<String>) {
        let amount = |amount: Option<Amount>| amount.map(|amount| amount.0);
        let rates = Rates {
            input: amount(self.input),
            cached: amount(self.cached),
            cache_write: amount(self.cache_write),
            cache_write_long: amount(self.cache_write_long),
            output: amount(self.output),
        };
        let long = self.long_context.map(|long| Long {
            above: long.above,
            rates: Rates {
                input: amount(long.input),
                cached: amount(long.cached),
                cache_write: amount(long.cache_write),
                cache_write_long: amount(long.cache_write_long),
                output: amount(long.output),
            },
        });
        (Some(Price { rates, long }), self.aliases)
    }
}

/// Dollars for a million tokens, exactly as they are written.
struct Amount(Nano);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        raw.get().parse().map(Self).map_err(D::Error::custom)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Provider(String);

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        match name.parse::<ProviderName>() {
            Ok(_) => Ok(Self(name)),
            Err(bad) => Err(D::Error::custom(bad)),
        }
    }
}

/// An object in which no name stands twice.
struct Unique<K, V>(BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for Unique<K, V>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names<K, V>(std::marker::PhantomData<(K, V)>);

        impl<'de, K, V> Visitor<'de> for Names<K, V>
        where
            K: Deserialize<'de> + Ord,
            V: Deserialize<'de>,
        {
            type Value = BTreeMap<K, V>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut all = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if all.insert(name, value).is_some() {
                        return Err(M::Error::custom("this name stands twice"));
                    }
                }
                Ok(all)
            }
        }

        from.deserialize_map(Names(std::marker::PhantomData))
            .map(Self)
    }
}
