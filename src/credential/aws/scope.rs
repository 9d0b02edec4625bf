//! What a signature is good for: a service in a region. The client's own
//! signature says it; where there is none, the host's shape does.

/// A service, by the name that it signs with, and a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Such as `s3`; not always what its host is called.
    pub service: String,
    /// Such as `eu-west-1`.
    pub region: String,
}

impl Scope {
    /// What an `Authorization` header of Signature Version 4 says.
    pub fn of_client(authorization: &str) -> Option<Self> {
        let credential = credential(authorization)?;
        Some(of_credential(credential)?.1)
    }

    /// What a host of AWS says; nothing where its requests are not signed, as
    /// those to a load balancer. The region that is given is that of the
    /// connection, for hosts that name none and are not the same for all.
    pub fn of_host(host: &str, region: Option<&str>) -> Option<Self> {
        if region.is_some_and(|region| !is_word(region, 32)) {
            return None;
        }
        let host = host.split(':').next().unwrap_or_default();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let (rest, home) = SUFFIXES
            .iter()
            .find_map(|(suffix, home)| Some((host.strip_suffix(suffix)?, *home)))?;
        let labels: Vec<_> = rest.split('.').map(without_fips).collect();
        let at = labels.iter().rposition(|label| is_region(label));
        let (before, region) = match at {
            Some(at) => match &labels[at + 1..] {
                // A private endpoint is called after what it leads to.
                [] | ["vpce"] => (&labels[..at], labels[at]),
                after => {
                    let (_, service) = AFTER_REGION
                        .iter()
                        .find(|(name, _)| after == [*name].as_slice())?;
                    return Some(Self::new(service, labels[at]));
                }
            },
            None => match labels.as_slice() {
                [before @ .., "us-gov"] => (before, "us-gov-west-1"),
                [.., last] if last.strip_prefix("s3-").is_some_and(is_region) => {
                    return Some(Self::new("s3", &last[3..]));
                }
                before => (before, global_region(before, region, home)),
            },
        };
        Some(Self::new(&service(before)?, region))
    }

    /// Whether paths are encoded once only, and the body's digest is a header.
    pub(super) fn is_s3(&self) -> bool {
        matches!(
            self.service.as_str(),
            "s3" | "s3express" | "s3-outposts" | "s3-object-lambda"
        )
    }

    fn new(service: &str, region: &str) -> Self {
        Self {
            service: service.to_owned(),
            region: region.to_owned(),
        }
    }
}

/// The `ID/DATE/REGION/SERVICE/aws4_request` of a header.
pub(super) fn credential(authorization: &str) -> Option<&str> {
    let parts = authorization.trim().strip_prefix("AWS4-HMAC-SHA256")?;
    parts
        .split([',', ' '])
        .find_map(|part| part.trim().strip_prefix("Credential="))
}

/// A key's id and the scope, where every part has the characters that it may
/// have: they go into the header that we make.
pub(super) fn of_credential(credential: &str) -> Option<(&str, Scope)> {
    let mut parts = credential.rsplitn(5, '/');
    let (end, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (day, id) = (parts.next()?, parts.next()?);
    let is_whole = end == "aws4_request"
        && is_word(service, 64)
        && is_word(region, 32)
        && day.len() == 8
        && day.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_whole.then(|| (id, Scope::new(service, region)))
}

fn is_word(text: &str, most: usize) -> bool {
    let may_be_in = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=most).contains(&text.len()) && text.bytes().all(may_be_in)
}

const SUFFIXES: [(&str, &str); 4] = [
    (".amazonaws.com", "us-east-1"),
    (".amazonaws.com.cn", "cn-northwest-1"),
    (".api.aws", "us-east-1"),
    (".api.amazonwebservices.com.cn", "cn-northwest-1"),
];

/// Those whose region stands before their name.
const AFTER_REGION: [(&str, &str); 4] = [
    ("aoss", "aoss"),
    ("es", "es"),
    ("neptune", "neptune-db"),
    ("queue", "sqs"),
];

/// Hosts whose requests nobody signs, or not with this.
const UNSIGNED: [&str; 7] = [
    "accesspoint.s3-global",
    "compute-1",
    "credentials.iot",
    "dkr.ecr",
    "elb",
    "s3-website",
    "vpce-svc",
];

/// Services that sign with another name than the last part of their host. From
/// the endpoints and signing names of AWS's own SDK; sorted, to be searched.
const NAMES: &[(&str, &str)] = &[
    ("account-access-runtime", "account-access"),
    ("agent-registry-control", "agent-registry"),
    ("agreement-marketplace", "aws-marketplace"),
    ("api.tunneling.iot", "IoTSecuredTunneling"),
    ("appconfigdata", "appconfig"),
    ("appstream2", "appstream"),
    ("appsync-api", "appsync"),
    ("bedrock-agent", "bedrock"),
    ("bedrock-agent-runtime", "bedrock"),
    ("bedrock-agentcore-control", "bedrock-agentcore"),
    ("bedrock-data-automation", "bedrock"),
    ("bedrock-data-automation-runtime", "bedrock"),
    ("bedrock-runtime", "bedrock"),
    ("cassandra-streams", "cassandra"),
    ("catalog.marketplace", "aws-marketplace"),
    ("cloudhsmv2", "cloudhsm"),
    ("cloudsearchdomain", "cloudsearch"),
    ("cloudwatch-omni", "cloudwatch"),
    ("codecatalyst.global", "codecatalyst"),
    ("contact-lens", "connect"),
    ("data-signer", "signer"),
    ("data.jobs.iot", "iot-jobs-data"),
    ("ddb", "dynamodb"),
    ("deployment-marketplace", "aws-marketplace"),
    ("discovery-marketplace", "aws-marketplace"),
    ("email", "ses"),
    ("entitlement.marketplace", "aws-marketplace"),
    ("eventsv2", "events"),
    ("forecastquery", "forecast"),
    ("iam-toolbox", "iam"),
    ("identity-chime", "chime"),
    ("ivsrealtime", "ivs"),
    ("mail-manager", "ses"),
    ("media-pipelines-chime", "chime"),
    ("meetings-chime", "chime"),
    ("memory-db", "memorydb"),
    ("messaging-chime", "chime"),
    ("metering.marketplace", "aws-marketplace"),
    ("migrationhub-config", "mgh"),
    ("models-v2-lex", "lex"),
    ("oidc", "sso-oauth"),
    ("participant.connect", "execute-api"),
    ("partnercentral-prm", "partnercentral"),
    ("personalize-events", "personalize"),
    ("personalize-runtime", "personalize"),
    ("pinpoint", "mobiletargeting"),
    ("portal.sso", "awsssoportal"),
    ("queue", "sqs"),
    ("reporting-marketplace", "aws-marketplace"),
    ("runtime-v2-lex", "lex"),
    ("s3-accelerate", "s3"),
    ("s3-accesspoint", "s3"),
    ("s3-control", "s3"),
    ("s3-external-1", "s3"),
    ("servicecatalog-appregistry", "servicecatalog"),
    ("sms-voice.pinpoint", "sms-voice"),
    ("voice-chime", "chime"),
];

/// The service whose host has these labels, region and what follows taken off.
fn service(labels: &[&str]) -> Option<String> {
    let labels = match labels {
        [rest @ .., "dualstack"] => rest,
        all => all,
    };
    let last = *labels.last()?;
    let endings = || (0..labels.len()).map(|from| labels[from..].join("."));
    if last.is_empty() || endings().any(|ending| UNSIGNED.contains(&ending.as_str())) {
        return None;
    }
    let named = endings().find_map(|ending| {
        let at = NAMES.binary_search_by_key(&ending.as_str(), |(name, _)| name);
        at.ok().map(|at| NAMES[at].1)
    });
    let service = match (named, labels) {
        (Some(named), _) => named,
        // The zone's name is part of it.
        _ if last.starts_with("s3express-") => "s3express",
        // An account's own broker; `iot` alone is where it is managed.
        (None, [_, .., "iot"]) => "iotdata",
        _ => last,
    };
    Some(service.to_owned())
}

/// Where a host without a region is served from.
fn global_region<'a>(labels: &[&str], region: Option<&'a str>, home: &'a str) -> &'a str {
    const GLOBAL: [&str; 13] = [
        "budgets",
        "ce",
        "cloudfront",
        "health",
        "iam",
        "organizations",
        "route53",
        "route53domains",
        "savingsplans",
        "sdb",
        "shield",
        "sts",
        "waf",
    ];
    match labels {
        ["s3"] | ["s3-external-1"] => home,
        [.., last] if GLOBAL.contains(last) => home,
        _ => region.unwrap_or(home),
    }
}

fn without_fips(label: &str) -> &str {
    label.strip_suffix("-fips").unwrap_or(label)
}

/// `eu-west-1`, `us-gov-east-1`, `us-isob-east-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<_> = label.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return false;
    };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (2..=4).contains(&first.len())
        && is_word(first)
        && !middle.is_empty()
        && middle.iter().all(is_word)
        && matches!(last.as_bytes(), [b'1'..=b'9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_needed() {
        assert!(NAMES.is_sorted());
        for (host, service) in NAMES {
            assert_ne!(host.rsplit('.').next(), Some(*service), "{host}");
        }
    }
}
