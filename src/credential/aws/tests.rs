use std::borrow::Cow;

use serde_json::Value;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn scope(service: &str, region: &str) -> Scope {
    Scope {
        service: service.to_owned(),
        region: region.to_owned(),
    }
}

fn request<'a>(method: &'a str, path: &'a str, query: &'a str) -> AwsRequest<'a> {
    AwsRequest {
        method,
        host: "example.amazonaws.com",
        path,
        query,
        headers: &[],
        payload: Payload::of(b""),
    }
}

/// With the key, the time and the scope of AWS's own test suite.
fn suite(others: &[(&str, &[u8])], request: &AwsRequest<'_>, session: Option<&str>) -> String {
    let (id, key) = (
        secret("AKIDEXAMPLE"),
        secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    );
    let session = session.map(secret);
    let key = AwsKey {
        id: &id,
        secret: &key,
        session: session.as_ref(),
    };
    let now = "2015-08-30T12:36:00Z".parse().unwrap();
    let made = sign_with(others, request, &scope("service", "us-east-1"), &key, now);
    let (name, value) = made.last().unwrap();
    assert_eq!(name, "authorization");
    value
        .reveal()
        .rsplit_once("Signature=")
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn paths_and_queries_of_the_published_suite_come_out() {
    const ALL: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let root = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let unreserved = (format!("/{ALL}"), format!("{ALL}={ALL}"));
    for (name, path, query, signature) in [
        ("get-vanilla", "/", "", root),
        ("get-relative", "/example/..", "", root),
        (
            "get-relative-relative",
            "/example1/example2/../..",
            "",
            root,
        ),
        ("get-slash", "//", "", root),
        ("get-slash-dot-slash", "/./", "", root),
        (
            "get-slash-pointless-dot",
            "/./example",
            "",
            "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        ),
        (
            "get-slashes",
            "//example//",
            "",
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ),
        (
            "get-space",
            "/example space/",
            "",
            "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
        ),
        (
            "get-utf8",
            "/ሴ",
            "",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "get-unreserved",
            &unreserved.0,
            "",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-vanilla-empty-query-key",
            "/",
            "Param1=value1",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-key",
            "/",
            "Param1=value2&Param1=Value1",
            "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
        ),
        (
            "get-vanilla-query-order-key-case",
            "/",
            "Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-query-order-value",
            "/",
            "Param1=value2&Param1=value1",
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        (
            "get-vanilla-query-order-encoded",
            "/",
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "get-vanilla-query-unreserved",
            "/",
            &unreserved.1,
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        (
            "get-vanilla-utf8-query",
            "/",
            "ሴ=bar",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-query-plus",
            "/",
            "c+d",
            "ae684ce3aadc299e3ac7d9216fcc039c7edf40dea57cf5b3005821dd2f176654",
        ),
    ] {
        let made = suite(&[], &request("GET", path, query), None);
        assert_eq!(made, signature, "{name}");
    }
}

#[test]
fn headers_and_bodies_of_the_published_suite_come_out() {
    type Headers = &'static [(&'static str, &'static [u8])];
    let cases: [(&str, &str, Headers, &str); 6] = [
        (
            "get-header-key-duplicate",
            "GET",
            &[
                ("my-header1", b"value2"),
                ("my-header1", b"value2"),
                ("my-header1", b"value1"),
            ],
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-order",
            "GET",
            &[
                ("my-header1", b"value4"),
                ("my-header1", b"value1"),
                ("my-header1", b"value3"),
                ("my-header1", b"value2"),
            ],
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            "GET",
            &[("my-header2", b"\"a   b   c\""), ("my-header1", b" value1")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-header-key-case",
            "POST",
            &[],
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-header-key-sort",
            "POST",
            &[("my-header1", b"value1")],
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-header-value-case",
            "POST",
            &[("my-header1", b"VALUE1")],
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
    ];
    for (name, method, headers, signature) in cases {
        let made = suite(headers, &request(method, "/", ""), None);
        assert_eq!(made, signature, "{name}");
    }
    let form = AwsRequest {
        payload: Payload::of(b"Param1=value1"),
        ..request("POST", "/", "")
    };
    let kind: &[(&str, &[u8])] = &[("content-type", b"application/x-www-form-urlencoded")];
    assert_eq!(
        suite(kind, &form, None),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "post-x-www-form-urlencoded"
    );
    assert_eq!(
        suite(&[], &request("POST", "/", "Param1=value1"), None),
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        "post-vanilla-query"
    );
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    assert_eq!(
        suite(&[], &request("GET", "/", ""), Some(token)),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        "get-vanilla-with-session-token"
    );
}

/// Requests that AWS's SDK for Python made and signed itself; how is said in
/// the file.
#[test]
fn requests_of_the_sdk_for_python_get_the_signature_that_it_gave_them() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../tests/data/aws/sdk.json")).unwrap();
    let cases = cases["requests"].as_array().unwrap();
    assert!(cases.len() >= 30);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let headers: Vec<(&str, &[u8])> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().as_bytes()))
            .collect();
        let old = ClientSignature::read(&headers, text("query")).unwrap();
        let scope = old.scope.clone().unwrap();
        let body = needs_body(&old, &scope).then(|| Payload::of(text("body").as_bytes()));
        let signed = AwsRequest {
            method: text("method"),
            host: text("host"),
            path: text("path"),
            query: &old.query,
            headers: &headers,
            payload: old.payload.or(body).unwrap_or(Payload::Unsigned),
        };
        let (id, key, token) = (secret("AKIAFAKE"), secret("FAKE"), secret(text("session")));
        let key = AwsKey {
            id: &id,
            secret: &key,
            session: (!token.is_empty()).then_some(&token),
        };
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let made = sign(&signed, &scope, &key, now);
        let value = |name| {
            made.iter()
                .find(|(other, _)| other == name)
                .unwrap()
                .1
                .reveal()
        };
        let expected = case["headers"]["authorization"].as_str().unwrap();
        assert_eq!(value("authorization"), expected, "{}", text("host"));
        if scope.is_s3() {
            assert_eq!(
                value("x-amz-content-sha256"),
                case["headers"]["x-amz-content-sha256"]
            );
        }
        // Where a client has not signed, the host says the same.
        let region = Some(scope.region.as_str());
        assert_eq!(Scope::of_host(text("host"), region).as_ref(), Some(&scope));
    }
}

#[test]
fn a_path_of_s3_is_signed_in_one_spelling_and_climbs_nowhere() {
    for (sent, s3, other) in [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("/a//b/../c", "/a//b/../c", "/a/c"),
        ("/a%20b", "/a%20b", "/a%2520b"),
        ("/caf%c3%a9", "/caf%C3%A9", "/caf%25c3%25a9"),
        ("/%41(1)+@:", "/A%281%29%2B%40%3A", "/%2541%281%29%2B%40%3A"),
        ("/a%2fb", "/a%2Fb", "/a%252fb"),
        ("/100%", "/100%25", "/100%25"),
        ("/%zz%2", "/%25zz%252", "/%25zz%252"),
        ("/../a/", "/../a/", "/a/"),
    ] {
        assert_eq!(canonical::path(sent, true), s3, "{sent}");
        assert_eq!(canonical::path(sent, false), other, "{sent}");
    }
}

#[test]
fn a_query_is_signed_in_one_spelling() {
    for (sent, signed) in [
        ("", ""),
        ("uploads", "uploads="),
        ("b&a=1", "a=1&b="),
        ("&a=&", "a="),
        ("a=1=2", "a=1%3D2"),
        ("a=%7e%2f%20+", "a=~%2F%20%2B"),
        ("a=100%", "a=100%25"),
        ("a=10&a=9&a", "a=&a=10&a=9"),
        // By name first, and then by value, not by the whole text.
        ("a-=1&a=2", "a=2&a-=1"),
        ("prefix=a/b c&list-type=2", "list-type=2&prefix=a%2Fb%20c"),
    ] {
        assert_eq!(canonical::query(sent), signed, "{sent}");
    }
}

#[test]
fn only_headers_that_must_be_are_signed_and_old_ones_are_not() {
    let (id, key, token) = (secret("ASIAFAKE"), secret("FAKE"), secret("FAKE-token"));
    let key = AwsKey {
        id: &id,
        secret: &key,
        session: Some(&token),
    };
    let request = AwsRequest {
        headers: &[
            ("user-agent", b"x"),
            ("content-length", b"0"),
            ("x-amz-meta-a", b"1"),
            ("content-md5", b"x"),
            ("content-type", b"text/plain"),
            ("authorization", b"old"),
            ("date", b"old"),
            ("x-amz-date", b"old"),
            ("x-amz-security-token", b"old"),
            ("x-amz-content-sha256", b"old"),
            ("x-amzn-trace-id", b"x"),
        ],
        payload: Payload::Unsigned,
        ..request("PUT", "/key", "")
    };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let made = sign(&request, &scope("s3", "eu-west-1"), &key, now);
    let names: Vec<_> = made.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "x-amz-date",
            "x-amz-content-sha256",
            "x-amz-security-token",
            "authorization"
        ]
    );
    assert!(names.iter().all(|name| STRIPPED.contains(name)));
    let signed = made[3].1.reveal();
    assert!(signed.contains(
        "SignedHeaders=content-md5;content-type;host;x-amz-content-sha256;x-amz-date;\
         x-amz-meta-a;x-amz-security-token, "
    ));
    assert!(!signed.contains("FAKE-token"));
    assert_eq!(made[1].1.reveal(), "UNSIGNED-PAYLOAD");
}

#[test]
fn a_host_says_its_service_and_region() {
    let ireland = Some("eu-west-1");
    for (host, given, expected) in [
        ("sts.amazonaws.com", ireland, "sts us-east-1"),
        ("sts.eu-west-1.amazonaws.com", None, "sts eu-west-1"),
        ("STS.EU-WEST-1.amazonaws.com.", None, "sts eu-west-1"),
        ("sqs.amazonaws.com:443", ireland, "sqs eu-west-1"),
        ("eu-west-1.queue.amazonaws.com", None, "sqs eu-west-1"),
        ("iam.us-gov.amazonaws.com", None, "iam us-gov-west-1"),
        ("iam.cn-north-1.amazonaws.com.cn", None, "iam cn-north-1"),
        ("route53.amazonaws.com.cn", None, "route53 cn-northwest-1"),
        ("global.health.amazonaws.com", ireland, "health us-east-1"),
        ("s3.amazonaws.com", ireland, "s3 us-east-1"),
        ("bucket.s3.amazonaws.com", None, "s3 us-east-1"),
        ("bucket.s3.amazonaws.com", ireland, "s3 eu-west-1"),
        (
            "my.dotted.bucket.s3.eu-west-1.amazonaws.com",
            None,
            "s3 eu-west-1",
        ),
        ("us-west-2.s3.eu-west-1.amazonaws.com", None, "s3 eu-west-1"),
        ("s3-us-west-2.amazonaws.com", None, "s3 us-west-2"),
        (
            "bucket.s3-us-gov-west-1.amazonaws.com",
            None,
            "s3 us-gov-west-1",
        ),
        (
            "bucket.s3.dualstack.eu-west-1.amazonaws.com",
            None,
            "s3 eu-west-1",
        ),
        (
            "s3-fips.dualstack.us-east-2.amazonaws.com",
            None,
            "s3 us-east-2",
        ),
        (
            "bucket.s3-accelerate.amazonaws.com",
            ireland,
            "s3 eu-west-1",
        ),
        (
            "bucket.s3-accelerate.dualstack.amazonaws.com",
            ireland,
            "s3 eu-west-1",
        ),
        (
            "ap-1.s3-accesspoint.eu-west-1.amazonaws.com",
            None,
            "s3 eu-west-1",
        ),
        ("1.s3-control.eu-west-1.amazonaws.com", None, "s3 eu-west-1"),
        (
            "b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com",
            None,
            "s3express us-east-1",
        ),
        (
            "x.s3-outposts.eu-west-1.amazonaws.com",
            None,
            "s3-outposts eu-west-1",
        ),
        (
            "x.s3-object-lambda.eu-west-1.amazonaws.com",
            None,
            "s3-object-lambda eu-west-1",
        ),
        (
            "bucket.vpce-1a.s3.us-east-1.vpce.amazonaws.com",
            None,
            "s3 us-east-1",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            None,
            "bedrock us-east-1",
        ),
        (
            "bedrock-runtime-fips.us-east-1.amazonaws.com",
            None,
            "bedrock us-east-1",
        ),
        (
            "bedrock-mantle.us-east-1.api.aws",
            None,
            "bedrock-mantle us-east-1",
        ),
        (
            "runtime.sagemaker.us-east-1.amazonaws.com",
            None,
            "sagemaker us-east-1",
        ),
        ("api.ecr.us-east-1.amazonaws.com", None, "ecr us-east-1"),
        ("ecr.us-east-1.api.aws", None, "ecr us-east-1"),
        (
            "abc123.execute-api.eu-west-1.amazonaws.com",
            None,
            "execute-api eu-west-1",
        ),
        ("email.eu-west-1.amazonaws.com", None, "ses eu-west-1"),
        (
            "data-ats.iot.eu-west-1.amazonaws.com",
            None,
            "iotdata eu-west-1",
        ),
        (
            "a1b2-ats.iot.eu-west-1.amazonaws.com",
            None,
            "iotdata eu-west-1",
        ),
        ("iot.eu-west-1.amazonaws.com", None, "iot eu-west-1"),
        (
            "data.jobs.iot.eu-west-1.amazonaws.com",
            None,
            "iot-jobs-data eu-west-1",
        ),
        (
            "streams.dynamodb.eu-west-1.amazonaws.com",
            None,
            "dynamodb eu-west-1",
        ),
        (
            "123456789012.ddb.eu-west-1.amazonaws.com",
            None,
            "dynamodb eu-west-1",
        ),
        ("runtime.lex.us-east-1.amazonaws.com", None, "lex us-east-1"),
        (
            "runtime-v2-lex.us-east-1.amazonaws.com",
            None,
            "lex us-east-1",
        ),
        ("search-x.us-east-1.es.amazonaws.com", None, "es us-east-1"),
        ("x.us-east-1.aoss.amazonaws.com", None, "aoss us-east-1"),
        (
            "kms-fips.us-gov-east-1.amazonaws.com",
            None,
            "kms us-gov-east-1",
        ),
        (
            "logs.us-isob-east-1.amazonaws.com",
            None,
            "logs us-isob-east-1",
        ),
    ] {
        let (service, region) = expected.split_once(' ').unwrap();
        let found = Scope::of_host(host, given);
        assert_eq!(found, Some(scope(service, region)), "{host}");
    }
    for host in [
        "",
        "amazonaws.com",
        ".amazonaws.com",
        "us-east-1.amazonaws.com",
        "s3.amazonaws.com.example.com",
        "s3.example.com",
        "s3-amazonaws.com",
        "1.dkr.ecr.eu-west-1.amazonaws.com",
        "x.elb.eu-west-1.amazonaws.com",
        "x.eu-west-1.elb.amazonaws.com",
        "ec2-1-2-3-4.compute-1.amazonaws.com",
        "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
        "db.x.eu-west-1.rds.amazonaws.com",
        "bucket.s3-website.eu-west-1.amazonaws.com",
        "x.credentials.iot.eu-west-1.amazonaws.com",
        "x.accesspoint.s3-global.amazonaws.com",
    ] {
        assert_eq!(Scope::of_host(host, ireland), None, "{host}");
    }
    assert_eq!(Scope::of_host("sqs.amazonaws.com", Some("eu/west")), None);
}

#[test]
fn what_a_client_says_of_its_scope_is_taken_where_it_is_well_formed() {
    let header = |credential: &str| {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0")
    };
    let well = "AKIAFAKE/20260101/eu-west-1/iot-jobs-data/aws4_request";
    let expected = Some(scope("iot-jobs-data", "eu-west-1"));
    assert_eq!(Scope::of_client(&header(well)), expected);
    let tight = header(well).replace(", ", ",");
    assert_eq!(Scope::of_client(&tight), expected);
    for credential in [
        "",
        "AKIAFAKE",
        "/20260101/eu-west-1/s3/aws4_request",
        "AKIAFAKE/20260101/eu-west-1/s3/aws5_request",
        "AKIAFAKE/2026010/eu-west-1/s3/aws4_request",
        "AKIAFAKE/2026010a/eu-west-1/s3/aws4_request",
        "AKIAFAKE/20260101//s3/aws4_request",
        "AKIAFAKE/20260101/eu-west-1//aws4_request",
        "AKIAFAKE/20260101/eu_west/s3/aws4_request",
        "AKIAFAKE/20260101/eu-west-1/s3\r\nx:y/aws4_request",
        "AKIAFAKE/20260101/eu-west-1/s3;x/aws4_request",
        "AKI\u{e9}/20260101/eu-west-1/s3/aws4_request",
    ] {
        assert_eq!(Scope::of_client(&header(credential)), None, "{credential}");
    }
    let long = format!("AKIAFAKE/20260101/{}/s3/aws4_request", "a".repeat(33));
    assert_eq!(Scope::of_client(&header(&long)), None);
    for other in [
        "",
        "Bearer FAKE",
        "Basic FAKE",
        "AWS FAKE:FAKE",
        &format!("Credential={well}"),
    ] {
        assert_eq!(Scope::of_client(other), None, "{other}");
    }
}

#[test]
fn a_signed_address_is_read_and_its_signature_taken_off() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&list-type=2&X-Amz-Credential=AKIAFAKE%2F20260101\
                 %2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60\
                 &prefix=a%2Fb&X-Amz-SignedHeaders=host&X-Amz%2DSecurity-Token=FAKE\
                 &X-Amz-Signature=0&x-amz-checksum-mode=ENABLED";
    let read = ClientSignature::read(&[], query).unwrap();
    assert_eq!(
        read.query,
        "list-type=2&prefix=a%2Fb&x-amz-checksum-mode=ENABLED"
    );
    assert_eq!(read.key_id.as_deref(), Some("AKIAFAKE"));
    assert_eq!(read.scope, Some(scope("s3", "eu-west-1")));
    assert!(!needs_body(&read, &scope("s3", "eu-west-1")));
    for plain in ["", "a=b&&c", "X-Amz-Target=x"] {
        let read = ClientSignature::read(&[], plain).unwrap();
        assert!(matches!(read.query, Cow::Borrowed(query) if query == plain));
        assert_eq!((read.key_id, read.scope), (None, None));
    }
}

#[test]
fn what_cannot_be_signed_anew_is_refused_with_a_way_out() {
    use CannotSign::*;
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let payload = |given: &'static str| {
        let headers: &[(&str, &[u8])] = &[("x-amz-content-sha256", given.as_bytes())];
        ClientSignature::read(headers, "").map(|read| read.payload)
    };
    for given in [
        digest,
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        assert_eq!(payload(given), Ok(Some(Payload::As(given))), "{given}");
    }
    for (given, why) in [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SignedChunks),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SignedChunks),
        ("STREAMING-AWS4-HMAC-SHA256-EVENTS", SignedEvents),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", ManyRegions),
        (
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
            ManyRegions,
        ),
        ("", UnknownPayload),
        ("UNSIGNED", UnknownPayload),
        (&digest[1..], UnknownPayload),
        (
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
            UnknownPayload,
        ),
    ] {
        assert_eq!(payload(given), Err(why), "{given}");
        assert!(!why.hint().is_empty() && !why.to_string().is_empty());
    }
    let binary: &[(&str, &[u8])] = &[("x-amz-content-sha256", b"\xff")];
    assert_eq!(
        ClientSignature::read(binary, "").err(),
        Some(UnknownPayload)
    );
    let many: &[(&str, &[u8])] = &[(
        "authorization",
        b"AWS4-ECDSA-P256-SHA256 Credential=AKIAFAKE/20260101/s3/aws4_request",
    )];
    assert_eq!(ClientSignature::read(many, "").err(), Some(ManyRegions));
    let query = "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256";
    assert_eq!(ClientSignature::read(&[], query).err(), Some(ManyRegions));
}

#[test]
fn a_body_is_read_only_where_its_digest_is_needed_and_not_known() {
    let none = ClientSignature::read(&[], "").unwrap();
    assert!(needs_body(&none, &scope("bedrock", "us-east-1")));
    assert!(!needs_body(&none, &scope("s3", "us-east-1")));
    let said: &[(&str, &[u8])] = &[("x-amz-content-sha256", b"UNSIGNED-PAYLOAD")];
    let said = ClientSignature::read(said, "").unwrap();
    assert!(!needs_body(&said, &scope("bedrock", "us-east-1")));
}
