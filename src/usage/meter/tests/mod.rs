mod recorded;
mod socket;

use proptest::prelude::*;

use self::recorded::{ALL, EVENTS, JSON, LINES, Recorded, tokens};
use super::*;
use crate::usage::Nano;

/// What is read when a body comes in these pieces.
fn read<'a>(
    recorded: &Recorded,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    is_whole: bool,
) -> Metered {
    let provider = recorded.provider.parse().unwrap();
    let mut meter = Meter::new(recorded.shape, &provider, Some(recorded.kind), 200).unwrap();
    for piece in pieces {
        meter.feed(piece);
    }
    meter.finish(is_whole)
}

fn whole(shape: Shape, kind: &str, body: &str) -> Metered {
    let provider = "openai".parse().unwrap();
    let mut meter = Meter::new(shape, &provider, Some(kind), 200).unwrap();
    meter.feed(body.as_bytes());
    meter.finish(true)
}

fn expected(recorded: &Recorded) -> Metered {
    Metered {
        model: recorded.model.map(str::to_owned),
        tokens: recorded.tokens.map(tokens),
        said_cost: recorded.said_cost(),
        is_special: recorded.is_special,
        is_cut: false,
    }
}

#[test]
fn each_dialect_is_counted_as_by_hand() {
    for recorded in ALL {
        let metered = read(recorded, [recorded.body.as_bytes()], true);
        assert_eq!(metered, expected(recorded), "{}", recorded.name);
    }
}

#[test]
fn a_byte_at_a_time_counts_the_same() {
    for recorded in ALL {
        let metered = read(recorded, recorded.body.as_bytes().chunks(1), true);
        assert_eq!(metered, expected(recorded), "{}", recorded.name);
    }
}

#[test]
fn what_was_said_before_a_cut_stays_and_the_cut_is_told() {
    for recorded in ALL {
        let (until, counts) = recorded.cut;
        // Without the comma after it a number may be cut itself.
        let at = recorded.body.find(until).unwrap() + usize::from(until.starts_with(','));
        // Whether the connection broke or the upstream ended too early.
        for is_whole in [false, true] {
            let metered = read(recorded, [&recorded.body.as_bytes()[..at]], is_whole);
            assert_eq!(metered.tokens, counts.map(tokens), "{}", recorded.name);
            assert!(metered.is_cut, "{}", recorded.name);
        }
        // All of it came, and then the connection broke.
        assert!(read(recorded, [recorded.body.as_bytes()], false).is_cut);
    }
}

#[test]
fn a_cut_anywhere_is_told_and_invents_no_counts() {
    for recorded in ALL {
        let [input, .., output, _] = recorded.tokens.unwrap();
        // The last bracket or brace is what a text or an event is whole with.
        let last = recorded.body.rfind(['}', ']']).unwrap();
        for at in 1..=last {
            let metered = read(recorded, [&recorded.body.as_bytes()[..at]], true);
            // A line of Ollama's may be whole before it is told that it is not the last.
            let is_told = metered.is_cut || recorded.kind == LINES && metered.tokens.is_none();
            assert!(is_told, "{} {at}", recorded.name);
            // What Cohere bills takes the place of what it counted.
            if let Some(said) = metered.tokens
                && recorded.shape != Shape::Cohere
            {
                assert!(said.total() <= input + output, "{} {at}", recorded.name);
            }
        }
    }
}

#[test]
fn a_number_that_is_cut_is_not_said() {
    let metered = whole(Shape::OpenAi, JSON, r#"{"usage":{"prompt_tokens":12"#);
    assert_eq!(metered.tokens, None);
}

#[test]
fn lines_end_in_any_way_and_data_may_stand_in_several() {
    for end in ["\n", "\r\n", "\r"] {
        let body = [
            "\u{feff}: a comment",
            "event: x",
            "id: 1",
            "retry: 10",
            "data",
            "database: {\"usage\":{\"prompt_tokens\":99}}",
            "data:{\"usage\":",
            ": between",
            "data:   {\"prompt_tokens\":3,",
            "data: \"completion_tokens\":4}}",
            "",
            "",
            "data: [",
            "data: DONE",
            "data: ]",
            "",
            "",
        ]
        .join(end);
        let metered = whole(Shape::OpenAi, EVENTS, &body);
        assert_eq!(metered.tokens, Some(tokens([3, 0, 0, 0, 4, 0])), "{end:?}");
        assert!(!metered.is_cut);
    }
}

#[test]
fn a_broken_event_does_not_hide_the_next() {
    let body = "data: {\"usage\":{\"prompt_tokens\":}\n\ndata: hello\n\ndata: {\"a\":\"\n\ndata: {\"usage\":{\"prompt_tokens\":3}}\n\ndata: [DONE]\n\n";
    let metered = whole(Shape::OpenAi, EVENTS, body);
    assert_eq!(metered.tokens.unwrap().input, 3);
    assert!(!metered.is_cut);
}

#[test]
fn an_event_without_the_empty_line_after_it_counts() {
    let body = "data: {\"usage\":{\"prompt_tokens\":3}}\n\ndata: [DONE]";
    assert!(!whole(Shape::OpenAi, EVENTS, body).is_cut);
}

#[test]
fn only_what_stands_in_its_place_is_believed() {
    for body in [
        r#"{"prompt_tokens":5}"#,
        r#"{"input_tokens":5}"#,
        r#"{"choices":[{"usage":{"prompt_tokens":5}}]}"#,
        r#"{"output":{"usage":{"prompt_tokens":5}}}"#,
        r#"{"usage":[[{"prompt_tokens":5}]]}"#,
        r#"{"usage":{"x":{"prompt_tokens":5}}}"#,
        r#"{"x":"\"usage\":{\"prompt_tokens\":5}"}"#,
        r#"{"x":"\\\"","y":"\\","z":"{\"usage\":{\"prompt_tokens\":5}}"}"#,
        r#"[[{"usage":{"prompt_tokens":5}}]]"#,
        r#""usage":{"prompt_tokens":5}"#,
        r#"{"a":1]}{"usage":"#,
        "",
        "null",
        "\u{0}",
    ] {
        assert_eq!(whole(Shape::OpenAi, JSON, body).tokens, None, "{body}");
    }
}

#[test]
fn backslashes_before_a_quote_are_counted_across_pieces() {
    for slashes in 0..6 {
        let text = "\\".repeat(slashes);
        let quote = if slashes % 2 == 1 { "\"" } else { "" };
        for place in ["x", "model"] {
            let body = format!(
                r#"{{"{place}":"m{text}{quote}","o":{{"k":"{text}{quote}"}},"usage":{{"prompt_tokens":5}}}}"#
            );
            let all = body.as_bytes();
            for at in 0..all.len() {
                for middle in at..all.len().min(at + 4) {
                    let mut meter =
                        Meter::new(Shape::OpenAi, &"openai".parse().unwrap(), Some(JSON), 200)
                            .unwrap();
                    for piece in [&all[..at], &all[at..middle], &all[middle..]] {
                        meter.feed(piece);
                    }
                    let metered = meter.finish(true);
                    assert_eq!(metered.tokens.unwrap().input, 5, "{body} {at}");
                    assert!(!metered.is_cut);
                }
            }
        }
    }
}

#[test]
fn numbers_that_cannot_be_counts_are_not_said() {
    for number in [
        "-5",
        "1.5",
        "\"5\"",
        "null",
        "true",
        "1e3",
        "9007199254740993",
        "18446744073709551616",
        "[5]",
        "{}",
        &"9".repeat(5000),
        // Longer than any number is.
        &format!("{}5", "0".repeat(5000)),
    ] {
        let body = format!(r#"{{"usage":{{"prompt_tokens":{number},"completion_tokens":7}}}}"#);
        let metered = whole(Shape::OpenAi, JSON, &body);
        assert_eq!(metered.tokens, Some(tokens([0, 0, 0, 0, 7, 0])), "{number}");
        assert!(!metered.is_cut);
    }
}

#[test]
fn no_part_is_more_than_its_whole() {
    let chat = r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":8},"completion_tokens_details":{"reasoning_tokens":50}}}"#;
    let metered = whole(Shape::OpenAi, JSON, chat);
    assert_eq!(metered.tokens, Some(tokens([10, 8, 2, 0, 5, 5])));
}

#[test]
fn the_largest_counts_overflow_nothing() {
    let most = 1_u64 << 53;
    for shape in [
        Shape::OpenAi,
        Shape::Anthropic,
        Shape::Gemini,
        Shape::Mistral,
        Shape::Cohere,
        Shape::Ollama,
    ] {
        let messages = format!(
            r#"{{"usage":{{"input_tokens":{most},"output_tokens":{most},"cache_read_input_tokens":{most},"cache_creation_input_tokens":{most},"cache_creation":{{"ephemeral_5m_input_tokens":{most},"ephemeral_1h_input_tokens":{most}}}}}}}"#
        );
        let counted = whole(shape, JSON, &messages).tokens.unwrap();
        assert_eq!(counted.input, 4 * most);
        let gemini = format!(
            r#"{{"usageMetadata":{{"promptTokenCount":{most},"toolUsePromptTokenCount":{most},"candidatesTokenCount":{most},"thoughtsTokenCount":{most}}}}}"#
        );
        assert_eq!(whole(shape, JSON, &gemini).tokens.unwrap().output, 2 * most);
    }
}

#[test]
fn what_does_not_look_like_a_models_name_is_none() {
    for (text, model) in [
        ("gpt-5", Some("gpt-5")),
        ("meta-llama\\/Llama", Some("meta-llama/Llama")),
        ("caf\\u00e9", Some("café")),
        ("", None),
        ("a\\nb", None),
        ("a\\u001b[31m", None),
        ("bad \\q escape", None),
        (&"x".repeat(101), None),
        (&"x".repeat(100_000), None),
    ] {
        let body = format!(r#"{{"model":"{text}"}}"#);
        let metered = whole(Shape::OpenAi, JSON, &body);
        assert_eq!(metered.model.as_deref(), model, "{text}");
    }
    // The first event of some streams names none.
    let body = "data: {\"model\":\"\"}\n\ndata: {\"model\":\"m\"}\n\ndata: {\"model\":\"\"}\n\n";
    let metered = whole(Shape::OpenAi, EVENTS, body);
    assert_eq!(metered.model.as_deref(), Some("m"));
}

#[test]
fn answers_that_count_no_tokens_are_not_read() {
    let provider = "openai".parse().unwrap();
    let is_read = |kind, status| Meter::new(Shape::OpenAi, &provider, kind, status).is_some();
    for kind in [
        "application/json",
        "Application/JSON ; charset=UTF-8",
        "application/vnd.api+json",
        "text/event-stream",
        "application/x-ndjson",
    ] {
        assert!(is_read(Some(kind), 200), "{kind}");
    }
    for kind in [
        "text/html",
        "audio/mpeg",
        "json",
        "",
        "application/jsonp",
        "+jso",
    ] {
        assert!(!is_read(Some(kind), 200), "{kind}");
    }
    assert!(!is_read(None, 200));
    for status in [101, 204, 205, 301, 304, 400, 401, 429, 500, 529] {
        assert!(!is_read(Some("application/json"), status), "{status}");
    }
}

#[test]
fn terms_that_change_a_price_are_told() {
    for (body, is_special) in [
        (r#"{"service_tier":null}"#, false),
        (r#"{"service_tier":"auto"}"#, false),
        (r#"{"service_tier":"default"}"#, false),
        (r#"{"service_tier":"priority"}"#, true),
        (r#"{"service_tier":"flex"}"#, true),
        (r#"{"usage":{"service_tier":"standard"}}"#, false),
        (r#"{"usage":{"service_tier":"batch"}}"#, true),
        (r#"{"usage":{"inference_geo":null}}"#, false),
        (r#"{"usage":{"inference_geo":"global"}}"#, false),
        (r#"{"usage":{"inference_geo":"us"}}"#, true),
        (r#"{"usage":{"speed":"standard"}}"#, false),
        (r#"{"usage":{"speed":"fast"}}"#, true),
        (
            r#"{"usage":{"server_tool_use":{"web_search_requests":3}}}"#,
            false,
        ),
        (
            r#"{"usage":{"prompt_tokens_details":{"audio_tokens":0}}}"#,
            false,
        ),
        (
            r#"{"usage":{"prompt_tokens_details":{"audio_tokens":1}}}"#,
            true,
        ),
        (
            r#"{"usage":{"output_tokens_details":{"image_tokens":1}}}"#,
            true,
        ),
        (r#"{"usageMetadata":{"trafficType":"ON_DEMAND"}}"#, false),
        (
            r#"{"usageMetadata":{"trafficType":"PROVISIONED_THROUGHPUT"}}"#,
            true,
        ),
        // A picture to look at costs what its tokens cost, one to embed does not.
        (
            r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokensDetails":[{"modality":"IMAGE","tokenCount":258}]}}"#,
            false,
        ),
        (
            r#"{"embedding":{},"usageMetadata":{"promptTokensDetails":[{"modality":"IMAGE","tokenCount":258}]}}"#,
            true,
        ),
    ] {
        assert_eq!(
            whole(Shape::OpenAi, JSON, body).is_special,
            is_special,
            "{body}"
        );
    }
}

#[test]
fn both_ways_of_counting_a_cache_are_told_apart_whoever_answers() {
    // Responses' input holds what was cached, Messages' input does not.
    let messages =
        r#"{"usage":{"input_tokens":10,"cache_read_input_tokens":90,"output_tokens":1}}"#;
    let responses = r#"{"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":90},"output_tokens":1}}"#;
    for shape in [Shape::OpenAi, Shape::Anthropic, Shape::Mistral] {
        for body in [messages, responses] {
            let counted = whole(shape, JSON, body).tokens;
            assert_eq!(
                counted,
                Some(tokens([100, 90, 0, 0, 1, 0])),
                "{shape:?} {body}"
            );
        }
    }
}

#[test]
fn a_large_answer_is_counted_and_none_of_it_kept() {
    let text = "a \\\"quoted\\\" word\\n".repeat(200_000);
    let body = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{{\"text\":\"{text}\"}}],\"usage\":{{\"input_tokens\":3,\"output_tokens\":4}}}}}}\n\n"
    );
    let metered = whole(Shape::OpenAi, EVENTS, &body);
    assert_eq!(metered.tokens, Some(tokens([3, 0, 0, 0, 4, 0])));
    assert!(!metered.is_cut);
    // All the memory that there is, but for a model's name.
    assert!(size_of::<Meter>() < 1024);
}

#[test]
fn depth_costs_nothing() {
    for open in ["[", "{\"a\":", "[{\"usage\":"] {
        let body = format!("{{\"x\":{}", open.repeat(1_000_000));
        assert!(whole(Shape::OpenAi, JSON, &body).is_cut);
        let body = open.repeat(1_000_000);
        assert_eq!(whole(Shape::OpenAi, JSON, &body).tokens, None);
    }
}

#[test]
fn a_cost_beyond_belief_is_not_said() {
    for (cost, said) in [
        ("0.5", Some(Nano(500_000_000))),
        ("-1", None),
        ("1e99", None),
        ("\"1\"", None),
    ] {
        let body = format!(r#"{{"usage":{{"cost":{cost}}}}}"#);
        assert_eq!(whole(Shape::OpenAi, JSON, &body).said_cost, said, "{cost}");
    }
}

#[test]
fn every_shape_of_a_bundled_definition_is_known() {
    for name in [
        "openai",
        "anthropic",
        "gemini",
        "mistral",
        "cohere",
        "ollama",
    ] {
        assert!(name.parse::<Shape>().is_ok());
    }
    assert!("OpenAI".parse::<Shape>().is_err());
    let catalog = crate::provider::Catalog::new(None);
    let mut many = 0;
    for name in catalog.names() {
        if let Some(usage) = catalog.find(&name).unwrap().definition.usage.as_deref() {
            assert!(usage.parse::<Shape>().is_ok(), "{name}: {usage}");
            many += 1;
        }
    }
    assert!(many > 10);
}

/// Cuts a body at these places, taken modulo its length.
fn pieces(body: &[u8], places: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| place % (body.len() + 1))
        .collect();
    places.extend([0, body.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| body[pair[0]..pair[1]].to_vec())
        .collect()
}

proptest! {
    #[test]
    fn pieces_of_any_size_count_the_same(
        which in 0..ALL.len(),
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let recorded = &ALL[which];
        let pieces = pieces(recorded.body.as_bytes(), &places);
        let metered = read(recorded, pieces.iter().map(Vec::as_slice), true);
        prop_assert_eq!(metered, expected(recorded));
    }

    #[test]
    fn broken_answers_count_the_same_in_any_pieces(
        which in 0..ALL.len(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        const BYTES: &[u8] = b"\"\\{}[]:,\n\r 0a.-";
        let recorded = &ALL[which];
        let mut body = recorded.body.as_bytes().to_vec();
        for (place, byte) in changes {
            let at = place % body.len();
            body[at] = BYTES[usize::from(byte) % BYTES.len()];
        }
        let pieces = pieces(&body, &places);
        let in_pieces = read(recorded, pieces.iter().map(Vec::as_slice), true);
        prop_assert_eq!(in_pieces, read(recorded, [body.as_slice()], true));
    }
}
