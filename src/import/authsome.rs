//! The home of authsome. Its connections are sealed with a key of its own,
//! in a database; their names stand there in the clear, as
//! `…:PROVIDER:connection:NAME`, and the provider's name is all that is read.

use std::collections::BTreeSet;

use crate::name::ProviderName;

const MARK: &[u8] = b":connection:";

/// The providers that a database of authsome has connections of.
pub fn providers_in(database: &[u8]) -> BTreeSet<ProviderName> {
    let mut found = BTreeSet::new();
    let mut from = 0;
    while let Some(at) = database[from..]
        .windows(MARK.len())
        .position(|window| window == MARK)
    {
        let end = from + at;
        let begin = database[..end]
            .iter()
            .rposition(|byte| *byte == b':')
            .map_or(end, |colon| colon + 1);
        let name = std::str::from_utf8(&database[begin..end]).ok();
        found.extend(name.and_then(|name| name.parse::<ProviderName>().ok()));
        from = end + MARK.len();
    }
    found
}
