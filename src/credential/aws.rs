//! Requests to AWS, signed: Signature Version 4. The secret key itself never
//! travels. Pure; the time is an argument.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// What signs.
pub struct AwsKey<'a> {
    /// The access key's id.
    pub id: &'a Secret,
    /// Its secret.
    pub secret: &'a Secret,
    /// The token of a session, where the key is of one.
    pub session: Option<&'a Secret>,
}

/// What is signed: a request for `/` without a query. What else there may be
/// has to be written in AWS's canonical form first, which nobody needs yet.
pub struct AwsRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As the `Host` header says it.
    pub host: &'a str,
    /// The `Content-Type` header, where there is one.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that make a request a signed one.
pub fn sign(
    request: &AwsRequest<'_>,
    key: &AwsKey<'_>,
    region: Option<&str>,
    now: Timestamp,
) -> Vec<(String, Secret)> {
    sign_for(scope_of(request.host, region), request, key, now)
}

fn sign_for(
    (service, region): (&str, &str),
    request: &AwsRequest<'_>,
    key: &AwsKey<'_>,
    now: Timestamp,
) -> Vec<(String, Secret)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = |text: &str| Secret::from(text.to_owned());
    // By name, as they are signed.
    let mut headers = Vec::new();
    headers.extend(
        request
            .content_type
            .map(|kind| ("content-type", text(kind))),
    );
    headers.push(("host", text(request.host)));
    let sent_already = headers.len();
    headers.push(("x-amz-date", text(&time)));
    headers.extend(
        key.session
            .map(|token| ("x-amz-security-token", token.duplicate())),
    );
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = Hasher::new();
    for line in [request.method, "/", ""] {
        canonical.line(line);
    }
    for (name, value) in &headers {
        canonical.text(name);
        canonical.text(":");
        canonical.line(value.reveal().trim());
    }
    canonical.line("");
    canonical.line(&names);
    canonical.text(&hex(&Sha256::digest(request.body)));
    let canonical = canonical.finish();
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
    let first = zeroize::Zeroizing::new(format!("AWS4{}", key.secret.reveal()));
    let signing = [day, region, service, "aws4_request"].iter().fold(
        zeroize::Zeroizing::new(first.as_bytes().to_vec()),
        |key, text| zeroize::Zeroizing::new(keyed(&key, text)),
    );
    let signature = hex(&keyed(&signing, &to_sign));
    let id = key.id.reveal();
    let mut made: Vec<_> = headers
        .into_iter()
        .skip(sent_already)
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    made.push((
        "authorization".to_owned(),
        Secret::from(format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )),
    ));
    made
}

/// The service and the region that a host is of: `sts.eu-west-1.amazonaws.com`.
/// A host without a region is served from the connection's own, except those
/// that are global.
fn scope_of<'a>(host: &'a str, region: Option<&'a str>) -> (&'a str, &'a str) {
    const GLOBAL: [&str; 5] = ["sts", "iam", "route53", "cloudfront", "organizations"];
    let host = host.split(':').next().unwrap_or(host);
    let labels: Vec<_> = host.split('.').collect();
    let service = labels.first().copied().unwrap_or_default();
    let is_region =
        |label: &&str| label.contains('-') && label.ends_with(|c: char| c.is_ascii_digit());
    let named = labels.get(1).copied().filter(is_region);
    let home = "us-east-1";
    let other = if GLOBAL.contains(&service) {
        home
    } else {
        region.unwrap_or(home)
    };
    (service, named.unwrap_or(other))
}

/// A digest of lines, so that no text of them all lies about.
struct Hasher(Sha256);

impl Hasher {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn line(&mut self, text: &str) {
        self.text(text);
        self.text("\n");
    }

    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut digest = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    digest.update(text.as_bytes());
    digest.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla`, `post-vanilla` and `post-x-www-form-urlencoded` of AWS's
    /// own test suite for
    /// Signature Version 4, with the key that its documentation shows.
    #[test]
    fn the_published_examples_come_out() {
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let id = Secret::from("AKIDEXAMPLE".to_owned());
        let secret = Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let key = AwsKey {
            id: &id,
            secret: &secret,
            session: None,
        };
        let form = Some("application/x-www-form-urlencoded");
        for (method, content_type, body, signature) in [
            (
                "GET",
                None,
                &b""[..],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                None,
                b"",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "POST",
                form,
                b"Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let request = AwsRequest {
                method,
                host: "example.amazonaws.com",
                content_type,
                body,
            };
            let headers = sign_for(("service", "us-east-1"), &request, &key, now);
            let (_, value) = headers.last().unwrap();
            assert!(value.reveal().ends_with(signature), "{}", value.reveal());
        }
    }

    #[test]
    fn the_token_of_a_session_is_sent_and_signed() {
        let text = |text: &str| Secret::from(text.to_owned());
        let (id, secret, token) = (text("ASIAFAKE"), text("FAKE"), text("FAKE-token"));
        let request = AwsRequest {
            method: "GET",
            host: "sts.amazonaws.com",
            content_type: None,
            body: b"",
        };
        let key = AwsKey {
            id: &id,
            secret: &secret,
            session: Some(&token),
        };
        let headers = sign(
            &request,
            &key,
            None,
            "2026-01-01T00:00:00Z".parse().unwrap(),
        );
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["x-amz-date", "x-amz-security-token", "authorization"]
        );
        let signed = headers[2].1.reveal();
        assert!(signed.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
        assert!(!signed.contains("FAKE-token"));
    }

    #[test]
    fn a_host_says_its_service_and_region() {
        for (host, given, expected) in [
            ("sts.amazonaws.com", Some("eu-west-1"), ("sts", "us-east-1")),
            ("sts.eu-west-1.amazonaws.com", None, ("sts", "eu-west-1")),
            (
                "sqs.amazonaws.com:443",
                Some("eu-west-1"),
                ("sqs", "eu-west-1"),
            ),
            ("s3.amazonaws.com", None, ("s3", "us-east-1")),
        ] {
            assert_eq!(scope_of(host, given), expected, "{host}");
        }
    }
}
