//! AWS: a secret key never travels. Clients sign with a placeholder; what
//! arrives is signed with the real key, and is checked here by the rules of
//! AWS's documentation, with no line of the gateway's own signing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::seen::Seen;
use super::server::Answer;
use super::world::{World, play, runs, script};

const ID: &str = "AKIAFAKEFAKEFAKEFAKE";
const SECRET: &str = "FAKEFAKE/FAKEFAKE+FAKEFAKEFAKEFAKEFAKEFA";
const REGION: &str = "eu-central-1";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Whether a request is signed with the real key, over all that it says.
fn is_signed(seen: &Seen) -> bool {
    let Some(authorization) = seen.header("authorization") else {
        return false;
    };
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name).unwrap();
        rest[1..].split(',').next().unwrap().to_owned()
    };
    let credential = part("Credential");
    let (id, scope) = credential.split_once('/').unwrap();
    let signed = part("SignedHeaders");
    let digest = hex(&Sha256::digest(&seen.body));
    let payload = seen.header("x-amz-content-sha256").unwrap_or(&digest);
    let is_digest = payload.len() == 64;
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = seen.header(name).unwrap();
        let words: Vec<_> = value.split_whitespace().collect();
        writeln!(headers, "{name}:{}", words.join(" ")).unwrap();
    }
    let mut query: Vec<_> = seen
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .collect();
    query.sort_unstable();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{payload}",
        seen.method,
        seen.path(),
        query.join("&")
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for step in scope.split('/') {
        key = mac(&key, step);
    }
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        seen.header("x-amz-date").unwrap(),
        hex(&Sha256::digest(canonical))
    );
    let service = seen
        .host
        .trim_start_matches("bucket.")
        .split('.')
        .next()
        .unwrap();
    id == ID
        && scope.ends_with(&format!("/{REGION}/{service}/aws4_request"))
        && signed.split(';').any(|name| name == "host")
        && (!is_digest || payload == digest)
        && part("Signature") == hex(&mac(&key, &text))
}

/// What was stored, out of the pieces that it may have come in.
fn content(seen: &Seen) -> Vec<u8> {
    let is_chunked = seen
        .header("content-encoding")
        .is_some_and(|coding| coding.contains("aws-chunked"));
    if !is_chunked {
        return seen.body.to_vec();
    }
    let mut whole = Vec::new();
    let mut rest = &seen.body[..];
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap();
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = length.split(';').next().unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[end + 2..][..length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

fn answers() -> impl Fn(&Seen) -> Answer + Send + Sync {
    let stored = Mutex::<BTreeMap<String, Vec<u8>>>::default();
    move |seen| {
        if !is_signed(seen) {
            let text = "<Error><Code>SignatureDoesNotMatch</Code><Message>FAKE</Message></Error>";
            return Answer {
                status: 403,
                ..Answer::new("application/xml", text)
            };
        }
        let mut stored = stored.lock().unwrap();
        match (seen.host.split('.').next().unwrap(), seen.method.as_str()) {
            ("sts", "POST") => Answer::new(
                "text/xml",
                "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>\
                 <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/fake</Arn>\
                 <UserId>AIDAFAKE</UserId><Account>123456789012</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>",
            ),
            ("sqs", "POST") => Answer::new(
                "application/x-amz-json-1.0",
                r#"{"QueueUrls":["https://sqs.eu-central-1.amazonaws.com/123456789012/fake"]}"#,
            ),
            ("bucket", "PUT") => {
                stored.insert(seen.path().to_owned(), content(seen));
                Answer::status(200)
            }
            ("bucket", "GET") if seen.query().contains("list-type=2") => Answer::new(
                "application/xml",
                format!(
                    "<ListBucketResult><Name>bucket</Name><KeyCount>{}</KeyCount>\
                     <IsTruncated>false</IsTruncated></ListBucketResult>",
                    stored.len()
                ),
            ),
            ("bucket", "GET" | "HEAD") => match stored.get(seen.path()) {
                Some(body) => Answer::new("application/octet-stream", body.clone()),
                None => Answer::status(404),
            },
            _ => Answer::status(404),
        }
    }
}

fn world() -> World {
    let world = World::new(answers());
    world.environment.secret("a secret key", SECRET);
    let fields = serde_json::json!({
        "access_key_id": ID, "secret_access_key": SECRET, "region": REGION,
    });
    world.log_in("aws", &fields.to_string());
    world
}

/// All of it was signed with the key, and the key is in none of it.
fn is_all_signed(world: &World) {
    for request in world.arrived() {
        assert!(is_signed(&request), "{request}");
        assert_eq!(request.count(SECRET), 0, "{request}");
    }
}

#[test]
fn boto3_is_signed_for() {
    let is_here = runs("python3", &["-c", "import boto3"]);
    play(&[("boto3", is_here)], || {
        let world = world();
        let client = ["python3".into(), script("aws_sdk.py").into_os_string()];
        let run = world.run(&[], client);
        assert_eq!(
            run.stdout,
            "account: 123456789012\nstored: 1\nfetched: 3000000\n\
             queues: ['https://sqs.eu-central-1.amazonaws.com/123456789012/fake']\n",
            "{run}"
        );
        is_all_signed(&world);
    });
}

#[test]
fn the_command_line_of_aws_is_signed_for() {
    play(&[("aws", runs("aws", &["--version"]))], || {
        let world = world();
        let script = "
            aws sts get-caller-identity --query Account --output text
            echo 'Guten Tag' > here
            aws s3 cp --quiet here s3://bucket/there
            aws s3 cp --quiet s3://bucket/there -
        ";
        let run = world.run(&[], ["sh", "-euc", script]);
        assert_eq!(run.stdout, "123456789012\nGuten Tag\n", "{run}");
        is_all_signed(&world);
    });
}
