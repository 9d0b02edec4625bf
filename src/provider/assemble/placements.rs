//! Where a definition's credential goes in a request, written out or implied,
//! and what may stand in a header.

use super::Problem;
use super::fields::field_name;
use crate::provider::definition::AuthKind;
use crate::provider::field::Field;
use crate::provider::host::Host;
use crate::provider::oauth::Protocol;
use crate::provider::placement::{Part, Placement, Spot, Template};
use crate::provider::raw::{Parsed, Raw, RawApiKey, RawPlace, RawPlacement};
use crate::text::{nearest, printable};

/// The places that are filled in each request.
pub(super) fn placements(
    raw: &mut Raw,
    auth: &[AuthKind],
    fields: &[Field],
) -> Result<Vec<Placement>, Problem> {
    let mut placements = Vec::new();
    for written in std::mem::take(&mut raw.inject) {
        placements.push(placement(written, raw.base_url.as_deref())?);
    }
    if placements.is_empty()
        && let Some(spot) = usual_spot(raw.api_key.as_ref(), auth, fields)?
    {
        placements.push(Placement {
            spot,
            hosts: Vec::new(),
        });
    }
    let token = field_name("access_token")?;
    // What comes of OpenRouter's login is a key like any other.
    let oauth = raw.oauth.as_ref();
    let yields_a_key = oauth.is_some_and(|oauth| oauth.protocol == Protocol::OpenRouter);
    let takes_tokens = auth.contains(&AuthKind::OAuth2) && !yields_a_key;
    if takes_tokens
        && !placements
            .iter()
            .any(|place| place.fields().any(|name| *name == token))
    {
        placements.push(Placement {
            spot: Spot::Header(
                "authorization".to_owned(),
                Template::prefixed("Bearer ", token.clone()),
            ),
            hosts: Vec::new(),
        });
    }
    for placement in &placements {
        for name in placement.fields() {
            let is_known = fields.iter().any(|field| field.name == *name);
            let is_token = takes_tokens && *name == token;
            if !is_known && !is_token {
                let names = fields.iter().map(|field| field.name.as_str());
                let mut message = format!("'inject' needs a field '{name}' that is not there");
                if let Some(near) = nearest(name.as_str(), names) {
                    message.push_str(&format!("; did you mean '{near}'?"));
                }
                return Err(Problem::new(message, "inject"));
            }
        }
        check_spot(&placement.spot)?;
    }
    Ok(placements)
}

/// Nothing of a definition's own can end a header, a line or a path early.
pub(super) fn check_spot(spot: &Spot) -> Result<(), Problem> {
    let texts = |template: &Template| -> String {
        template
            .parts()
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Field(_) => "x",
            })
            .collect()
    };
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    match spot {
        Spot::Header(name, value) => check_header(name, &texts(value)),
        Spot::Query(name, _) if !name.is_empty() && is_visible(name) => Ok(()),
        Spot::Query(name, _) => Err(Problem::new(
            format!("'{}' is no query parameter", printable(name)),
            name,
        )),
        Spot::Basic(user, _) if texts(user).contains(':') => Err(Problem::new(
            "a user's name for Basic authentication has no ':'",
            "username",
        )),
        Spot::Basic(..) => Ok(()),
        Spot::Path(value) => {
            let path = texts(value);
            let is_plain = path.starts_with('/')
                && is_visible(&path)
                && !path.contains(['?', '#', '%', '\\'])
                && !path.contains("//")
                && !path.contains("/.");
            if is_plain {
                Ok(())
            } else {
                let message = format!("'{}' is no plain beginning of a path", printable(&path));
                Err(Problem::new(message, "inject"))
            }
        }
    }
}

/// Where a key goes that the definition says no more about.
fn usual_spot(
    section: Option<&RawApiKey>,
    auth: &[AuthKind],
    fields: &[Field],
) -> Result<Option<Spot>, Problem> {
    if let Some(section) = section {
        let header = section.header_name.as_deref().unwrap_or("authorization");
        let prefix = match section.header_prefix.as_deref().map(str::trim_end) {
            None | Some("") => String::new(),
            Some(prefix) => format!("{prefix} "),
        };
        let value = Template::prefixed(&prefix, field_name("api_key")?);
        return Ok(Some(Spot::Header(header.to_ascii_lowercase(), value)));
    }
    let key = fields.iter().find(|field| field.is_secret);
    Ok(key.filter(|_| auth.contains(&AuthKind::ApiKey)).map(|key| {
        let value = Template::prefixed("Bearer ", key.name.clone());
        Spot::Header("authorization".to_owned(), value)
    }))
}

pub(super) fn placement(
    written: RawPlacement,
    base_url: Option<&str>,
) -> Result<Placement, Problem> {
    let lacks = |what: &str| Problem::new(format!("an 'inject' entry lacks '{what}'"), "inject");
    let value = written.value.map(|Parsed(value)| value);
    let spot = match written.place {
        RawPlace::Header => Spot::Header(
            written
                .name
                .ok_or_else(|| lacks("name"))?
                .to_ascii_lowercase(),
            value.ok_or_else(|| lacks("value"))?,
        ),
        RawPlace::Query => Spot::Query(
            written.name.ok_or_else(|| lacks("name"))?,
            value.ok_or_else(|| lacks("value"))?,
        ),
        RawPlace::Path => Spot::Path(value.ok_or_else(|| lacks("value"))?),
        RawPlace::Basic => Spot::Basic(
            written.username.ok_or_else(|| lacks("username"))?.0,
            written.password.ok_or_else(|| lacks("password"))?.0,
        ),
    };
    let hosts = written
        .hosts
        .iter()
        .map(|entry| {
            Host::parse(entry, base_url).map_err(|bad| Problem::new(bad.to_string(), entry))
        })
        .collect::<Result<_, _>>()?;
    Ok(Placement { spot, hosts })
}

/// A header that is ours to set, with text that can stand in one.
pub(super) fn check_header(name: &str, text: &str) -> Result<(), Problem> {
    const NOT_OURS: [&str; 10] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let is_ours = !NOT_OURS.contains(&name.to_ascii_lowercase().as_str());
    if !is_token || !is_ours {
        let message = format!("'{}' is no header that can be set", printable(name));
        return Err(Problem::new(message, name));
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let message = format!("the text for header '{name}' has characters that no header holds");
        return Err(Problem::new(message, name));
    }
    Ok(())
}
