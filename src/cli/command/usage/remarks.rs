//! What a person should know beside the numbers: what is not in them, and why.

use std::path::Path;

use super::measure::total;
use super::number::{counted, grouped};
use super::when::Range;
use crate::cli::output::Output;
use crate::text::printable;
use crate::usage::Row;

/// What is known of a report.
pub struct Remarks<'a> {
    /// What was asked for.
    pub range: Range,
    /// The sums of each model in it.
    pub models: &'a [Row],
    /// Requests that were not recorded.
    pub dropped: u64,
    /// Where a person adds prices.
    pub prices: &'a Path,
}

/// So many models are named.
const NAMED: usize = 3;

impl Remarks<'_> {
    /// Says all of it.
    pub fn say(&self, output: &Output) {
        for line in self.lines() {
            output.note(&line);
        }
    }

    fn lines(&self) -> Vec<String> {
        let sum = total(self.models);
        let range = self.range.shown();
        let mut lines = vec![match sum.requests {
            0 => format!(
                "Nothing was recorded from {range} (UTC). Requests are that go through \
                 `vault run` and `vault serve`."
            ),
            more => format!("{} from {range} (UTC).", counted(more, "request")),
        }];
        if sum.unpriced_requests > 0 {
            lines.push(self.unpriced(&sum));
        }
        if sum.cut_requests > 0 {
            let answers = counted(sum.cut_requests, "answer");
            lines.push(format!(
                "{answers} ended early; more may have been used than was counted."
            ));
        }
        if self.dropped > 0 {
            let requests = counted(self.dropped, "request");
            let verb = if self.dropped == 1 { "is" } else { "are" };
            lines.push(format!(
                "{requests} {verb} missing: too many came at once to be recorded."
            ));
        }
        lines
    }

    fn unpriced(&self, sum: &Row) -> String {
        let mut models: Vec<&Row> = self.models.iter().collect();
        models.retain(|row| row.unpriced_requests > 0);
        models.sort_by_key(|row| std::cmp::Reverse(row.unpriced_requests));
        let mut names: Vec<String> = models
            .iter()
            .take(NAMED)
            .map(|row| match row.key == crate::usage::NO_MODEL {
                true => "no model".to_owned(),
                // A line feed in it would be one in the sentence.
                false => printable(&row.key).into_owned(),
            })
            .collect();
        if models.len() > NAMED {
            names.push(format!("{} more", models.len() - NAMED));
        }
        let (has, is) = match sum.unpriced_requests {
            1 => ("has", "is"),
            _ => ("have", "are"),
        };
        format!(
            "{} of {} {has} no price ({}) and {is} not in the cost. Add prices for later ones \
             in {}",
            grouped(sum.unpriced_requests),
            counted(sum.requests, "request"),
            names.join(", "),
            self.prices.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(key: &str, requests: u64, unpriced: u64) -> Row {
        Row {
            key: key.into(),
            requests,
            unpriced_requests: unpriced,
            cut_requests: unpriced / 4,
            ..Row::default()
        }
    }

    fn said(models: &[Row], dropped: u64) -> String {
        let range = Range {
            since: "2026-11-01T00:00:00Z".parse().unwrap(),
            until: "2026-11-21T00:00:00Z".parse().unwrap(),
        };
        let prices = Path::new("/c/prices.json");
        let remarks = Remarks {
            range,
            models,
            dropped,
            prices,
        };
        remarks.lines().join("\n")
    }

    #[test]
    fn what_is_not_in_the_numbers_is_said() {
        assert_eq!(
            said(&[model("gpt-5", 1, 0)], 0),
            "1 request from 2026-11-01 to 2026-11-20 (UTC)."
        );
        let mut models = vec![model("-", 300, 2), model("own", 30, 9)];
        models.extend(["a", "b"].map(|key| model(key, 5, 1)));
        assert_eq!(
            said(&models, 1),
            "340 requests from 2026-11-01 to 2026-11-20 (UTC).\n\
             13 of 340 requests have no price (own, no model, a, 1 more) and are not in the \
             cost. Add prices for later ones in /c/prices.json\n\
             2 answers ended early; more may have been used than was counted.\n\
             1 request is missing: too many came at once to be recorded."
        );
        let hostile = said(&[model("a\nError: b\x1b[2J", 1, 1)], 0);
        assert!(hostile.contains("(a\\nError: b\\u{1b}[2J)"), "{hostile}");
        assert!(said(&[], 0).starts_with("Nothing was recorded from 2026-11-01"));
    }
}
