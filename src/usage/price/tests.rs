//! Prices against sums by hand.

use super::*;

fn tokens(parts: [u64; 5]) -> Tokens {
    let [uncached, cached, cache_write, cache_write_long, output] = parts;
    Tokens {
        input: uncached + cached + cache_write + cache_write_long,
        cached,
        cache_write,
        cache_write_long,
        output,
        reasoning: output / 2,
    }
}

fn metered(model: &str, tokens: Tokens) -> Metered {
    Metered {
        model: Some(model.to_owned()),
        tokens: Some(tokens),
        ..Metered::default()
    }
}

fn cost(prices: &Prices, provider: &str, model: &str, parts: [u64; 5]) -> Option<i64> {
    let provider = provider.parse().unwrap();
    let cost = prices.cost(&provider, &metered(model, tokens(parts)));
    cost.map(|cost| cost.0)
}

#[test]
fn costs_are_those_that_are_reckoned_by_hand() {
    let prices = Prices::embedded();
    // Uncached, cached, written, written for an hour, output; 10⁻⁹ dollars.
    for (provider, model, parts, by_hand) in [
        // 1000 × 1250 + 500 × 125 + 200 × 10000
        ("openai", "gpt-5", [1000, 500, 0, 0, 200], Some(3_312_500)),
        ("openai", "gpt-4o-mini", [0, 0, 0, 0, 0], Some(0)),
        ("openai", "gpt-5-nano", [0, 1, 0, 0, 0], Some(5)),
        // 272,000 are not beyond; one more switches all of it
        (
            "openai",
            "gpt-5.5",
            [272_000, 0, 0, 0, 10],
            Some(1_360_300_000),
        ),
        (
            "openai",
            "gpt-5.5",
            [272_001, 0, 0, 0, 10],
            Some(2_720_460_000),
        ),
        (
            "openai",
            "gpt-5.6-sol",
            [10, 20, 30, 0, 40],
            Some(50_000 + 10_000 + 187_500 + 1_200_000),
        ),
        // cached input beyond the threshold: 200,000 × 1000 + 72,001 × 10,000
        (
            "openai",
            "gpt-5.5",
            [72_001, 200_000, 0, 0, 0],
            Some(920_010_000),
        ),
        // writes to a cache in the long tier have no price
        ("openai", "gpt-5.6-sol", [300_000, 0, 1, 0, 0], None),
        // 7 × 3000 + 11 × 300 + 13 × 3750 + 17 × 6000 + 19 × 15000
        (
            "anthropic",
            "claude-sonnet-4-6",
            [7, 11, 13, 17, 19],
            Some(460_050),
        ),
        // 200,001: all of it at the long prices, output too
        (
            "anthropic",
            "claude-sonnet-4-5",
            [200_000, 0, 0, 1, 10],
            Some(1_200_237_000),
        ),
        (
            "anthropic",
            "claude-sonnet-4-5-20250929",
            [200_000, 0, 0, 0, 10],
            Some(600_150_000),
        ),
        (
            "anthropic",
            "claude-opus-4-20250514",
            [1, 0, 0, 0, 1],
            Some(90_000),
        ),
        (
            "anthropic",
            "claude-3-5-haiku-20241022",
            [1, 1, 1, 1, 1],
            Some(800 + 80 + 1000 + 1600 + 4000),
        ),
        (
            "google-gemini",
            "models/gemini-2.5-pro",
            [200_001, 0, 0, 0, 1],
            Some(500_017_500),
        ),
        // 3 × 18.75 = 56.25
        (
            "google-gemini",
            "gemini-1.5-flash",
            [0, 3, 0, 0, 0],
            Some(56),
        ),
        (
            "mistral",
            "mistral-large-latest",
            [100, 50, 0, 0, 10],
            Some(50_000 + 2_500 + 15_000),
        ),
        (
            "mistral",
            "mistral-embed",
            [1000, 0, 0, 0, 0],
            Some(100_000),
        ),
        ("mistral", "mistral-embed", [1000, 0, 0, 0, 1], None),
        ("groq", "openai/gpt-oss-20b", [1, 1, 0, 0, 1], Some(413)), // 75 + 37.5 + 300 = 412.5
        ("deepseek", "deepseek-v4-pro", [0, 2, 0, 0, 0], Some(7)),  // 7.25
        (
            "xai",
            "grok-4.5",
            [100_000, 100_001, 0, 0, 5],
            Some(460_060_600),
        ),
        (
            "xai",
            "grok-4-fast-non-reasoning",
            [128_001, 0, 0, 0, 1],
            None,
        ),
        // 37.5 × 3 = 112.5
        ("cohere", "command-r7b-12-2024", [3, 0, 0, 0, 0], Some(113)),
        ("ollama", "llama3.3:70b", [1000, 10, 0, 0, 1000], Some(0)),
        ("ollama", "gpt-oss:120b-cloud", [1000, 10, 0, 0, 1000], None),
        ("vllm", "anything", [1, 0, 0, 0, 1], Some(0)),
    ] {
        assert_eq!(
            cost(&prices, provider, model, parts),
            by_hand,
            "{model} {parts:?}"
        );
    }
}

#[test]
fn what_is_not_known_has_no_price() {
    let prices = Prices::embedded();
    let some = [1000, 0, 0, 0, 10];
    for (provider, model) in [
        ("openai", "gpt-5-foo"),
        ("openai", "gpt-5-foo-2025-08-07"),
        ("openai", "gpt-99"),
        ("openai", "gpt"),
        ("openai", ""),
        ("openai", "GPT-5"),
        // dearer than the later ones of its name
        ("openai", "gpt-4o-2024-05-13"),
        ("openai-codex", "gpt-5"),
        ("azure-openai", "gpt-5"),
        ("groq", "gpt-5"),
        ("mistral", "mistral-small-latest"),
        ("deepseek", "deepseek-chat"),
        ("google-gemini", "gemini-3.7-flash"),
    ] {
        assert_eq!(
            cost(&prices, provider, model, some),
            None,
            "{provider} {model}"
        );
    }
    // No price of cached input in this row.
    assert_eq!(cost(&prices, "openai", "gpt-5-pro", [1, 1, 0, 0, 1]), None);
    assert!(cost(&prices, "openai", "gpt-5-pro", [1, 0, 0, 0, 1]).is_some());
    let openai = "openai".parse().unwrap();
    let mut odd = metered("gpt-5", tokens(some));
    odd.is_special = true;
    assert_eq!(prices.cost(&openai, &odd), None);
    odd.is_special = false;
    odd.tokens = Some(Tokens {
        input: 10,
        cached: 6,
        cache_write: 5,
        ..Tokens::default()
    });
    assert_eq!(
        prices.cost(&openai, &odd),
        None,
        "more parts than the whole"
    );
    odd.tokens = Some(Tokens {
        input: u64::MAX,
        output: u64::MAX,
        ..Tokens::default()
    });
    assert_eq!(prices.cost(&openai, &odd), None, "too much for an amount");
    odd.tokens = None;
    assert_eq!(prices.cost(&openai, &odd), None);
}

#[test]
fn what_an_answer_says_that_it_cost_is_what_it_cost() {
    let prices = Prices::embedded();
    let said = Metered {
        said_cost: Some(Nano(1234)),
        is_special: true,
        ..Metered::default()
    };
    let provider = "openrouter".parse().unwrap();
    assert_eq!(prices.cost(&provider, &said), Some(Nano(1234)));
}

#[test]
fn a_file_of_the_users_wins_by_provider_and_model() {
    let prices = Prices::with_override(
        r#"{
          // What we agreed on.
          "as_of": "2027-01-01",
          "prices": {
            "openai": {
              "gpt-5": { "input": 1, "output": 2.000000001 },
              "gpt-4*": { "input": 0.5, "output": 1, },
              "gpt-4.1*": { "input": 0.25 },
              "gpt-4o": null,
            },
            "openai-codex": { "*": { "input": 0, "output": 0 } },
          },
        }"#,
    )
    .unwrap();
    assert_eq!(prices.as_of(), Some("2027-01-01"));
    let parts = [1_000_000, 0, 0, 0, 1_000_000];
    assert_eq!(cost(&prices, "openai", "gpt-5", parts), Some(3_000_000_001));
    assert_eq!(
        cost(&prices, "openai", "gpt-5-2025-08-07", parts),
        Some(3_000_000_001)
    );
    // Its row is taken whole: what it does not say is not known.
    assert_eq!(cost(&prices, "openai", "gpt-5", [1, 1, 0, 0, 1]), None);
    assert_eq!(
        cost(&prices, "openai", "gpt-4-foo", parts),
        Some(1_500_000_000)
    );
    assert_eq!(
        cost(&prices, "openai", "gpt-4.1", [1_000_000, 0, 0, 0, 0]),
        Some(250_000_000)
    );
    assert_eq!(cost(&prices, "openai", "gpt-4o", parts), None);
    assert_eq!(cost(&prices, "openai-codex", "gpt-5", parts), Some(0));
    assert!(cost(&prices, "anthropic", "claude-opus-5", parts).is_some());
}

#[test]
fn mistakes_in_a_file_are_told_with_their_place() {
    for (text, line, says) in [
        ("{\n \"prices\": [] }", 2, "object"),
        ("{\n \"prices\": {},\n \"x\": 1 }", 3, "unknown field"),
        (
            "{\"prices\": {\"openai\": {\n\"m\": {\"inptu\": 1}}}}",
            2,
            "inptu",
        ),
        (
            "{\"prices\": {\"openai\": {\n\"m\": {\"input\": -1}}}}",
            2,
            "amount",
        ),
        (
            "{\"prices\": {\"openai\": {\n\"m\": {\"input\": 1e3}}}}",
            2,
            "amount",
        ),
        (
            "{\"prices\": {\"openai\": {\n\"m\": {\"input\": \"1\"}}}}",
            2,
            "amount",
        ),
        (
            "{\"prices\": {\"openai\": {\n\"m\": {\"input\": 0.0000000001}}}}",
            2,
            "decimals",
        ),
        (
            "{\"prices\": {\"openai\": {\"m\": {}},\n\"openai\": {}}}",
            2,
            "twice",
        ),
        (
            "{\"prices\": {\"openai\": {\"m\": {},\n\"m\": {}}}}",
            2,
            "twice",
        ),
        ("{\"prices\": {\n\"Open AI\": {}}}", 2, "provider"),
        ("{\n/* x", 2, "comment"),
        ("", 1, "EOF"),
    ] {
        let bad = Prices::with_override(text).unwrap_err();
        assert_eq!(bad.line, line, "{text}: {bad}");
        assert!(bad.what.contains(says), "{text}: {bad}");
        assert!(!bad.what.contains("at line"), "{bad}");
    }
}

#[test]
fn the_table_in_the_program_is_whole_and_names_providers_that_there_are() {
    let table = parse::table(EMBEDDED).unwrap();
    let count: usize = table
        .providers
        .values()
        .map(|models| models.exact.len())
        .sum();
    assert!(count > 130, "{count}");
    for provider in table.providers.keys() {
        let path = format!("{}/providers/{provider}.json", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).exists(), "{provider}");
    }
    for (name, price) in table.providers.values().flat_map(|models| &models.exact) {
        let Some(price) = price else { continue };
        let rates = price.rates;
        assert!(rates.input.is_some(), "{name}");
        // What is read from a cache costs less, what is written to one for
        // longer costs more: a slip of a column would show.
        assert!(
            rates
                .cached
                .is_none_or(|cached| Some(cached) <= rates.input),
            "{name}"
        );
        assert!(
            rates
                .output
                .is_none_or(|output| Some(output) >= rates.input),
            "{name}"
        );
        if let (Some(short), Some(long)) = (rates.cache_write, rates.cache_write_long) {
            assert!(short < long, "{name}");
        }
        if let Some(long) = price.long {
            assert!(
                long.rates
                    .input
                    .is_none_or(|input| Some(input) > rates.input),
                "{name}"
            );
        }
    }
}
