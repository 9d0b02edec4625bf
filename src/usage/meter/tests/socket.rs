use super::super::*;
use super::recorded::tokens;

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

const TEXT: u8 = 0x81;

fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, payload.as_bytes())
}

fn read(bytes: &[u8], size: usize) -> Metered {
    let mut meter = SocketMeter::new(Shape::OpenAi, &"openai".parse().unwrap());
    for piece in bytes.chunks(size.max(1)) {
        meter.feed(piece);
    }
    meter.finish()
}

/// An answer done, whose text is of this length.
fn done(length: usize) -> String {
    format!(
        r#"{{"type":"response.done","event_id":"FAKE","response":{{"output":[{{"x":"{}"}}],"usage":{{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{{"text_tokens":132,"audio_tokens":0,"cached_tokens":64}},"output_token_details":{{"text_tokens":121}}}}}}}}"#,
        "y".repeat(length)
    )
}

const SESSION: &str =
    r#"{"type":"session.created","session":{"model":"gpt-realtime","usage":null}}"#;
const CREATED: &str = r#"{"type":"response.created","response":{"usage":null}}"#;

#[test]
fn the_counts_of_all_answers_are_summed() {
    let bytes = [
        text(SESSION),
        text(CREATED),
        text(&done(10)),
        text(r#"{"type":"response.output_text.delta","delta":"x"}"#),
        text(CREATED),
        // Lengths of two and of eight bytes.
        text(&done(1_000)),
        text(CREATED),
        text(&done(100_000)),
        frame(0x88, b"\x03\xe8"),
    ]
    .concat();
    for size in [1, 2, 7, 1000, usize::MAX] {
        let metered = read(&bytes, size);
        assert_eq!(
            metered.tokens,
            Some(tokens([396, 192, 0, 0, 363, 0])),
            "{size}"
        );
        assert_eq!(metered.model.as_deref(), Some("gpt-realtime"));
        assert!(!metered.is_cut && !metered.is_special);
    }
}

#[test]
fn a_message_may_come_in_pieces_with_others_between() {
    let answer = done(3);
    let (first, rest) = answer.as_bytes().split_at(50);
    let (second, third) = rest.split_at(1);
    let bytes = [
        frame(0x01, first),
        frame(0x89, b"{\"type\":\"response.done\"}"),
        frame(0x00, second),
        frame(0x8a, b""),
        frame(0x00, b""),
        frame(0x80, third),
        // Not text: nothing of it is read.
        frame(0x82, answer.as_bytes()),
        frame(0x02, first),
        frame(0x80, rest),
    ]
    .concat();
    for size in [1, 3, usize::MAX] {
        let metered = read(&bytes, size);
        assert_eq!(metered.tokens, Some(tokens([132, 64, 0, 0, 121, 0])));
        assert!(!metered.is_cut);
    }
}

#[test]
fn counts_of_other_messages_are_not_answers() {
    let transcribed = r#"{"type":"conversation.item.input_audio_transcription.completed","usage":{"input_tokens":10,"output_tokens":5}}"#;
    let metered = read(&text(transcribed), 100);
    assert_eq!(metered.tokens, None);
    // And do not stay for the next.
    let bytes = [text(transcribed), text(r#"{"type":"response.done"}"#)].concat();
    assert_eq!(read(&bytes, 100).tokens, None);
}

#[test]
fn an_end_within_an_answer_is_a_cut() {
    let whole = [text(CREATED), text(&done(0))].concat();
    assert!(!read(&whole, 100).is_cut);
    assert!(read(&whole[..whole.len() - 1], 100).is_cut);
    assert!(read(&text(CREATED), 100).is_cut);
    assert!(read(&[TEXT], 1).is_cut);
    assert!(read(&frame(0x01, b"{"), 1).is_cut);
    assert!(!read(&[], 1).is_cut);
}

#[test]
fn what_cannot_be_read_ends_the_reading_and_is_told() {
    let before = text(&done(0));
    for first in [0xc1, 0xa1, 0x91, 0x83, 0x8b] {
        let bytes = [before.clone(), frame(first, b"xx"), before.clone()].concat();
        let metered = read(&bytes, 5);
        assert_eq!(metered.tokens.unwrap().input, 132, "{first:x}");
        assert!(metered.is_cut);
    }
    // Masked, which no server may, and as long as its length says.
    let masked = [&[TEXT, 0x80 | 4, 1, 2, 3, 4][..], &[b'x'; 4]].concat();
    let unmasked = [&[TEXT, 126, 0, 0x84][..], &[b'x'; 0x84]].concat();
    assert!(!read(&unmasked, 3).is_cut);
    for bytes in [masked, [&[TEXT, 0x84][..], &[b'x'; 0x84]].concat()] {
        let metered = read(&bytes, 3);
        assert!(metered.is_cut && metered.tokens.is_none());
    }
    // A length that no frame has.
    let metered = read(&[&[TEXT, 127][..], &[0xff; 30]].concat(), 3);
    assert!(metered.is_cut);
}

#[test]
fn audio_makes_an_answer_special() {
    let answer = r#"{"type":"response.done","response":{"usage":{"input_tokens":5,"output_tokens":50,"output_token_details":{"audio_tokens":40}}}}"#;
    assert!(read(&text(answer), 100).is_special);
}
