//! What the stream gives is what a simple look at the whole text gives.

use proptest::prelude::*;

use super::*;

fn secrets(forms: &[impl AsRef<str>]) -> Vec<Secret> {
    forms
        .iter()
        .map(|form| Secret::from(form.as_ref().to_owned()))
        .collect()
}

/// Every byte of every form, written over: place by place, form by form.
fn masked(forms: &[String], text: &[u8]) -> Vec<u8> {
    let mut masked = text.to_vec();
    for form in forms.iter().filter(|form| !form.is_empty()) {
        for at in 0..text.len() {
            if text[at..].starts_with(form.as_bytes()) {
                masked[at..at + form.len()].fill(MASK);
            }
        }
    }
    masked
}

/// The length of the longest end of `text` that begins a form and is none.
fn beginning(forms: &[String], text: &[u8]) -> usize {
    (1..=text.len())
        .rev()
        .find(|length| {
            let end = &text[text.len() - length..];
            forms
                .iter()
                .any(|form| form.len() > *length && form.as_bytes().starts_with(end))
        })
        .unwrap_or(0)
}

/// Feeds `text` in pieces that end at the borders and checks all that holds
/// after each.
fn check(forms: &[String], text: &[u8], borders: &[usize]) -> Result<(), TestCaseError> {
    let expected = masked(forms, text);
    let redactor = Redactor::new(&secrets(forms));
    let whole = redactor.text(text);
    prop_assert_eq!(whole.is_some(), expected != text, "whole");
    prop_assert_eq!(whole.as_deref().unwrap_or(text), &expected[..], "whole");

    let mut borders: Vec<_> = borders.iter().map(|at| at % (text.len() + 1)).collect();
    borders.push(text.len());
    borders.sort_unstable();
    let mut stream = redactor.stream();
    let mut came = Vec::new();
    let mut from = 0;
    for border in borders {
        came.extend_from_slice(&stream.feed(Bytes::copy_from_slice(&text[from..border])));
        from = border;
        prop_assert_eq!(came.len() + stream.held(), border, "a byte was lost");
        prop_assert_eq!(&came[..], &expected[..came.len()], "after {}", border);
        let needed = beginning(forms, &text[..border]);
        prop_assert!(stream.held() <= needed, "more is held than {}", needed);
    }
    came.extend_from_slice(&stream.finish());
    prop_assert_eq!(came, expected);
    Ok(())
}

fn few_letters(lengths: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just('a'), Just('b'), Just('c')], lengths)
        .prop_map(|letters| letters.into_iter().collect())
}

/// Texts in which forms, whole and in part, lie beside and within each other.
fn case() -> impl Strategy<Value = (Vec<String>, Vec<u8>)> {
    let form = prop_oneof![
        few_letters(1..5),
        few_letters(6..14),
        few_letters(1..3).prop_map(|part| part.repeat(9)),
    ];
    proptest::collection::vec(form, 1..6).prop_flat_map(|forms| {
        let piece = prop_oneof![
            (0..forms.len(), 0..40_usize, 0..40_usize).prop_map({
                let forms = forms.clone();
                move |(form, from, to)| {
                    let form = &forms[form];
                    let (from, to) = (from % form.len(), to % (form.len() + 1));
                    form[from.min(to)..to].to_owned()
                }
            }),
            (0..forms.len()).prop_map({
                let forms = forms.clone();
                move |form| forms[form].clone()
            }),
            few_letters(0..6),
            Just("-".to_owned()),
        ];
        let text = proptest::collection::vec(piece, 0..12);
        (
            Just(forms),
            text.prop_map(|pieces| pieces.concat().into_bytes()),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_stream_gives_what_a_look_at_the_whole_gives(
        (forms, text) in case(),
        borders in proptest::collection::vec(0..200_usize, 0..12),
    ) {
        check(&forms, &text, &borders)?;
    }

    #[test]
    fn byte_by_byte_is_no_different((forms, text) in case()) {
        let borders: Vec<_> = (0..text.len()).collect();
        check(&forms, &text, &borders)?;
    }

    #[test]
    fn any_bytes_pass_that_hold_nothing(
        text in proptest::collection::vec(any::<u8>(), 0..300),
        borders in proptest::collection::vec(0..300_usize, 0..5),
    ) {
        check(&["FAKE-sk-0123456789".to_owned()], &text, &borders)?;
    }
}

/// Feeds the pieces and gives what comes out after each, and at the end.
fn outputs(forms: &[&str], pieces: &[&str]) -> Vec<String> {
    let mut stream = Redactor::new(&secrets(forms)).stream();
    let mut outputs: Vec<_> = pieces
        .iter()
        .map(|piece| stream.feed(Bytes::copy_from_slice(piece.as_bytes())))
        .collect();
    outputs.push(stream.finish());
    outputs
        .iter()
        .map(|output| String::from_utf8(output.to_vec()).unwrap())
        .collect()
}

#[test]
fn a_find_stretches_over_any_number_of_pieces() {
    let pieces = ["key=FAKE", "-sk-", "0", "1", "2345", "6789, ok"];
    assert_eq!(
        outputs(&["FAKE-sk-0123456789"], &pieces),
        ["key=", "", "", "", "", "******************, ok", ""]
    );
}

#[test]
fn what_does_not_become_a_find_goes_on_at_once() {
    assert_eq!(
        outputs(&["FAKE-sk-0123456789"], &["a FAKE-sk-01", "x", "FAKE"]),
        ["a ", "FAKE-sk-01x", "", "FAKE"]
    );
}

#[test]
fn a_shorter_form_in_the_beginning_of_a_longer_one_is_found_after_all() {
    let forms = ["FAKEabcd", "xFAKEabcdefgh"];
    assert_eq!(
        outputs(&forms, &["..xFAKEabcd", "eZ"]),
        ["..", "x********eZ", ""]
    );
}

#[test]
fn forms_that_overlap_are_both_written_over() {
    let forms = ["FAKEabcd", "abcdWXYZ"];
    assert_eq!(
        outputs(&forms, &["FAKEabcdWX", "YZ!"]),
        ["********", "****!", ""]
    );
}

#[test]
fn a_piece_without_a_find_is_passed_uncopied() {
    let redactor = Redactor::new(&secrets(&["FAKE-sk-0123456789"]));
    let mut stream = redactor.stream();
    for text in ["{\"a\": 1}", "nothing here", "ends in FAK"] {
        let piece = Bytes::from(text.to_owned());
        let place = piece.as_ptr();
        assert_eq!(stream.feed(piece).as_ptr(), place, "{text}");
    }
    let empty = Redactor::new(&[]);
    assert!(empty.is_empty() && !redactor.is_empty());
    let piece = Bytes::from_static(b"FAKE");
    assert_eq!(empty.stream().feed(piece.clone()), piece);
    assert!(empty.text(b"FAKE").is_none());
}

/// Steps of the automaton are what costs; here each byte is a find of all of
/// the form, and each piece is held back almost whole.
#[test]
fn a_form_that_repeats_itself_costs_no_more_than_another() {
    let form = "a".repeat(20_000);
    let text = Bytes::from("a".repeat(200_000));
    let mut stream = Redactor::new(&secrets(&[&form, &"a".repeat(8)])).stream();
    let start = std::time::Instant::now();
    let mut came = 0;
    for at in 0..text.len() {
        let piece = stream.feed(text.slice(at..=at));
        assert!(piece.iter().all(|byte| *byte == MASK));
        came += piece.len();
    }
    came += stream.finish().len();
    assert_eq!(came, text.len());
    // Linear, it takes a fraction of a second in this unoptimised build;
    // quadratic, 200,000 times 20,000 bytes, minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
}

/// The longest beginning of a form, byte by byte, never completed.
#[test]
fn a_beginning_that_grows_byte_by_byte_is_held_and_let_go() {
    let form = format!("{}b", "a".repeat(50_000));
    let text = "a".repeat(49_999);
    let mut stream = Redactor::new(&secrets(&[&form])).stream();
    for at in 1..=text.len() {
        assert!(stream.feed(Bytes::from_static(b"a")).is_empty());
        assert_eq!(stream.held(), at);
    }
    assert_eq!(stream.feed(Bytes::from_static(b"-")).len(), text.len() + 1);
    assert_eq!(stream.held(), 0);
}
