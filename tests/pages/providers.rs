//! `docs/providers.md` from the bundled definitions: an index, then a section
//! for each provider. Hosts of package registries are not named in it.

mod oauth;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vault::provider::{
    Answer, AuthKind, Body, Definition, Field, Injection, Outcome, Part, Placement, Spot, Template,
    Verify,
};

/// What categories are called, in the order of the page; others come last,
/// under their own word.
const CATEGORIES: &[(&str, &str)] = &[
    ("llm", "Language models"),
    ("llm-local", "Language models on one's own machine"),
    ("embeddings", "Embeddings"),
    ("image", "Images"),
    ("audio", "Speech and sound"),
    ("search", "Search and the web"),
    ("code", "Code and packages"),
    ("cloud", "Clouds and hosting"),
    ("data", "Data"),
    ("observability", "Observability"),
    ("comms", "Mail and messages"),
    ("project", "Projects"),
    ("productivity", "Productivity"),
    ("design", "Design"),
    ("crm", "Customers"),
    ("payments", "Payments and shops"),
    ("automation", "Automation"),
];

/// Where a list gets a line for each of its items.
const LONGEST_LINE: usize = 72;

/// The whole page.
pub fn page(definitions: &[Definition]) -> String {
    let mut page = opening(definitions.len());
    page.push_str("## Index\n\n| name | | category | variables | verify | scan |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for definition in definitions {
        page.push_str(&row(definition));
    }
    let mut categories: BTreeMap<(usize, &str), Vec<&Definition>> = BTreeMap::new();
    for definition in definitions {
        let word = definition.category.as_deref().unwrap_or("other");
        let known = CATEGORIES.iter().position(|(known, _)| *known == word);
        let title = known.map_or(word, |position| CATEGORIES[position].1);
        let place = (known.unwrap_or(usize::MAX), title);
        categories.entry(place).or_default().push(definition);
    }
    for ((_, title), definitions) in categories {
        writeln!(page, "\n## {}", text(title)).unwrap();
        for definition in definitions {
            page.push_str(&section(definition));
        }
    }
    page
}

/// Whether a host is one that packages or images are fetched from.
pub fn is_a_registrys(host: &str) -> bool {
    let labels: Vec<_> = host.split('.').collect();
    let is_of_packages = |label: &&str| ["registry", "npm", "pkg", "ghcr"].contains(label);
    let is_of_images = labels.contains(&"docker")
        && labels.len() > 2
        && ["hub", "auth", "index"].contains(&labels[0]);
    labels.len() > 1 && (labels.iter().any(is_of_packages) || is_of_images)
}

/// The words of a text that could be hosts.
pub fn possible_hosts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'))
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.contains('.'))
}

fn opening(count: usize) -> String {
    format!(
        "# Providers\n\n\
         <!-- Written by tests/generated.rs: VAULT_BLESS=1 cargo test --test generated -->\n\n\
         The {count} providers whose definitions come with `vault`.\n\
         `vault provider show NAME` tells the same of one, `vault inspect NAME` prints its \
         definition.\n\
         To change one or to write another: [definitions.md](definitions.md).\n\n\
         How to read a section:\n\n\
         - **Fields** are what a login asks for. Of several variables the first is exported, and \
         all are known to `import` and `login --from-env`.\n\
         - **Sign in** names the usual way first; `vault login NAME --flow FLOW` takes OAuth.\n\
         - **OAuth** says which flows there are, the usual one first, and whether one needs an app \
         of one's own. Its ID and secret come from the variables named. `login --scopes` asks for \
         other scopes than those named.\n\
         - **Hosts** are where the credential may go. It goes nowhere else.\n\
         - **Credential** is where it stands in a request. Each place applies that can be filled \
         from the stored fields.\n\
         - **Verify** is the request of `vault verify`. Its answer is read so, unless something \
         else is said: 2xx ok, 401 rejected, 403 forbidden, 429 rate limited, all else \
         unreachable.\n\
         - **Scan** is how `vault scan` finds keys in files: by their shape, or only where they \
         stand after their variable, as `NAME=value`.\n\
         - **Rotation** is after how long a key wants to be replaced, unless a login says \
         otherwise.\n\n",
    )
}

fn row(definition: &Definition) -> String {
    let name = definition.name.as_str();
    // Those of fields first; a token may have the variable of the key.
    let mut exports: Vec<_> = definition.exports.iter().collect();
    exports.sort_by_key(|(name, _)| definition.field(name.as_str()).is_none());
    let mut variables: Vec<String> = Vec::new();
    for (_, variable) in exports {
        let shown = format!("`{variable}`");
        if !variables.contains(&shown) {
            variables.push(shown);
        }
    }
    let yes = |is: bool| if is { "yes" } else { "no" };
    format!(
        "| [{name}](#{}) | {} | {} | {} | {} | {} |\n",
        name.replace('.', ""),
        text(&definition.display_name),
        text(definition.category.as_deref().unwrap_or("")),
        variables.join(", "),
        yes(!definition.verify.is_empty()),
        yes(!definition.detect.is_empty()),
    )
}

fn section(definition: &Definition) -> String {
    let name = &definition.name;
    let mut section = format!("\n### {name}\n\n**{}**", text(&definition.display_name));
    if let Some(description) = &definition.description {
        write!(section, ": {}", text(description)).unwrap();
    }
    section.push_str("\n\n");
    section.push_str(&fields(definition));
    let ways: Vec<_> = definition.auth.iter().map(way).collect();
    line(&mut section, "Sign in", &ways.join(", or "));
    section.push_str(&oauth::lines(definition));
    section.push_str(&places(definition));
    for (what, link) in [
        ("Get a key", &definition.key_url),
        ("Documentation", &definition.docs),
    ] {
        if let Some(link) = link {
            line(&mut section, what, &format!("<{link}>"));
        }
    }
    section.push_str(&verify(definition));
    line(&mut section, "Scan", &scan(definition));
    let rotation = match definition.rotate_after_days {
        Some(days) => format!("after {days} days"),
        None if definition.auth_type() == &AuthKind::None => "never".to_owned(),
        None => "nothing is said; 90 days are taken".to_owned(),
    };
    line(&mut section, "Rotation", &rotation);
    section
}

fn line(section: &mut String, what: &str, says: &str) {
    writeln!(section, "- **{what}:** {says}").unwrap();
}

/// A line, or where it would be long, a line for each item.
fn list(section: &mut String, what: &str, items: &[String]) {
    let joined = items.join(", ");
    if joined.len() <= LONGEST_LINE || items.len() < 2 {
        return line(section, what, &joined);
    }
    writeln!(section, "- **{what}:**").unwrap();
    for item in items {
        writeln!(section, "  - {item}").unwrap();
    }
}

fn way(kind: &AuthKind) -> String {
    match kind {
        AuthKind::None => "no key is needed".to_owned(),
        AuthKind::ApiKey => "a key".to_owned(),
        AuthKind::Basic => "a user's name and a key".to_owned(),
        AuthKind::OAuth2 => "OAuth".to_owned(),
        AuthKind::AwsSigV4 => "an AWS key, which signs requests".to_owned(),
        AuthKind::JwtBearer => "the key of a service account, which signs for tokens".to_owned(),
        AuthKind::Other(word) => text(word),
    }
}

fn fields(definition: &Definition) -> String {
    let mut table = String::new();
    for field in &definition.fields {
        let mut traits = vec![if field.is_secret { "secret" } else { "shown" }];
        traits.extend((!field.is_required).then_some("optional"));
        traits.extend(field.is_multiline.then_some("several lines"));
        let variables = variables_of(definition, field);
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            cell(field.name.as_str()),
            text(&field.label),
            variables.join(", "),
            traits.join(", ")
        )
        .unwrap();
    }
    for (name, variable) in &definition.exports {
        if definition.field(name.as_str()).is_none() {
            writeln!(
                table,
                "| {} | from OAuth | {} | secret |",
                cell(name.as_str()),
                cell(variable.as_str())
            )
            .unwrap();
        }
    }
    match &*table {
        "" => String::new(),
        rows => format!("| field | | variables | |\n| --- | --- | --- | --- |\n{rows}\n"),
    }
}

/// The variables of a field, the exported one first.
fn variables_of(definition: &Definition, field: &Field) -> Vec<String> {
    let exported = definition.variable_of(field.name.as_str());
    let others = field.env.iter().filter(|name| Some(*name) != exported);
    let all = exported.into_iter().chain(others);
    all.map(|name| cell(name.as_str())).collect()
}

/// Where it is and where its credential goes.
fn places(definition: &Definition) -> String {
    let mut lines = String::new();
    let named: Vec<_> = definition
        .hosts
        .iter()
        .filter(|host| !is_a_registrys(host.as_str()))
        .map(|host| match host.injection {
            _ if host.as_str() == "{base_url}" => "that of the address below".to_owned(),
            Injection::OwnHostOnly => format!("{} (one's own alone)", code(host.as_str())),
            _ => code(host.as_str()),
        })
        .collect();
    if definition.hosts.is_empty() {
        line(&mut lines, "Hosts", "none; it is exported and sent nowhere");
    } else if named.is_empty() {
        let shown = format!("those that {} shows", inspect(definition));
        line(&mut lines, "Hosts", &shown);
    } else {
        list(&mut lines, "Hosts", &named);
        if named.len() < definition.hosts.len() {
            let more = format!("see {}", inspect(definition));
            line(&mut lines, "Hosts of its package registry", &more);
        }
    }
    let address = match &definition.base_url {
        Some(url) if definition.tenant => Some(format!("one's own, or else {}", place(url))),
        Some(url) => Some(place(url)),
        None if definition.needs_address() => {
            Some("one's own, needed: `login --base-url URL`".to_owned())
        }
        None if definition.field("base_url").is_some() => {
            Some("one's own, the field `base_url`".to_owned())
        }
        None => None,
    };
    if let Some(mut address) = address {
        let is_field = definition.field("base_url").is_some();
        let names = definition.base_url_env.iter().filter(|_| !is_field);
        let names: Vec<_> = names.map(|name| code(name.as_str())).collect();
        if !names.is_empty() {
            write!(address, "; another one is exported as {}", names[0]).unwrap();
            if names.len() > 1 {
                write!(address, ", and known as {} too", names[1..].join(", ")).unwrap();
            }
        }
        line(&mut lines, "Address", &address);
    }
    if definition.tenant {
        let own = "under a suffix above the credential goes to one's own address alone";
        line(&mut lines, "Tenant", own);
    }
    let spots: Vec<_> = definition.placements.iter().map(spot).collect();
    if !spots.is_empty() && !definition.hosts.is_empty() {
        list(&mut lines, "Credential", &spots);
    }
    let headers: Vec<_> = definition
        .extra_headers
        .iter()
        .map(|(name, value)| code(&format!("{name}: {value}")))
        .collect();
    if !headers.is_empty() {
        list(&mut lines, "Headers beside it", &headers);
    }
    lines
}

fn spot(placement: &Placement) -> String {
    let mut says = match &placement.spot {
        Spot::Header(name, value) => format!("header {}", code(&format!("{name}: {}", raw(value)))),
        Spot::Query(name, value) => format!("query {}", code(&format!("{name}={}", raw(value)))),
        Spot::Basic(user, password) => {
            format!(
                "Basic, {}",
                code(&format!("{}:{}", raw(user), raw(password)))
            )
        }
        Spot::Path(value) => format!("path {}", code(&raw(value))),
    };
    let hosts = placement.hosts.iter();
    let named: Vec<_> = hosts
        .filter(|host| !is_a_registrys(host.as_str()))
        .map(|host| match host.as_str() {
            "{base_url}" => "the address".to_owned(),
            other => code(other),
        })
        .collect();
    if !named.is_empty() {
        write!(says, " on {}", named.join(", ")).unwrap();
    }
    if named.len() < placement.hosts.len() {
        let and = if named.is_empty() { "on" } else { "and" };
        write!(says, " {and} its package registry").unwrap();
    }
    says
}

fn verify(definition: &Definition) -> String {
    let mut lines = String::new();
    if definition.verify.is_empty() {
        line(&mut lines, "Verify", "no");
    }
    for (position, request) in definition.verify.iter().enumerate() {
        let when = match &request.when {
            Some(when) if when.field.as_str() == "access_token" => " (OAuth)".to_owned(),
            Some(when) => {
                let pattern = code(when.pattern.as_str());
                format!(" ({} fits {pattern})", code(when.field.as_str()))
            }
            None if position > 0 => " (else)".to_owned(),
            None => String::new(),
        };
        let address = without_registries(&raw(&request.url), "…");
        let call = code(&format!("{} {address}", request.method));
        writeln!(lines, "- **Verify{when}:** {call}").unwrap();
        for says in about_request(request, &definition.verify[..position]) {
            writeln!(lines, "  - {says}").unwrap();
        }
    }
    lines
}

fn about_request(request: &Verify, before: &[Verify]) -> Vec<String> {
    let mut lines = Vec::new();
    match &request.body {
        Some(Body::Form(members)) => {
            let names: Vec<_> = members.iter().map(|(name, _)| code(name)).collect();
            lines.push(format!("sends a form: {}", names.join(", ")));
        }
        Some(Body::Json(_)) => lines.push("sends JSON".to_owned()),
        Some(Body::Text(body)) => lines.push(format!("sends {}", code(body))),
        None => {}
    }
    lines.extend((request.headers.iter()).map(|(name, value)| code(&format!("{name}: {value}"))));
    if let Some(own) = &request.placements {
        let spots: Vec<_> = own.iter().map(spot).collect();
        lines.push(match &spots[..] {
            [] => "the credential goes in the body or the address".to_owned(),
            spots => format!("the credential goes in: {}", spots.join(", ")),
        });
    }
    let answers = |request: &Verify| request.answers.iter().map(answer).collect::<Vec<_>>();
    let own = answers(request);
    if !own.is_empty() && before.iter().any(|other| answers(other) == own) {
        lines.push("its answers are read as above".to_owned());
    } else {
        lines.extend(own);
    }
    if let Some(tells) = &request.tells {
        lines.push(match &tells.noun {
            Some(noun) => format!("a good answer names {}", text(noun)),
            None => format!("a good answer tells {}", code(&tells.pointer)),
        });
    }
    if let Some(note) = &request.note {
        lines.push(text(&without_registries(note, "its host")));
    }
    lines
}

fn answer(answer: &Answer) -> String {
    let mut says = answer.status.to_string();
    if let Some(pointer) = &answer.pointer {
        write!(says, " with {}", code(pointer)).unwrap();
    }
    if let Some(value) = &answer.equals {
        write!(says, " being {}", code(&value.to_string())).unwrap();
    }
    if let Some(part) = &answer.contains {
        let with = if answer.pointer.is_some() {
            "holding"
        } else {
            "with"
        };
        write!(says, " {with} {}", code(part)).unwrap();
    }
    let result = match answer.result {
        Outcome::RateLimited => "rate limited",
        other => other.as_str(),
    };
    write!(says, ": {result}").unwrap();
    if let Some(message) = &answer.message {
        write!(says, ", {}", text(message)).unwrap();
    }
    says
}

fn scan(definition: &Definition) -> String {
    let mut secrets = BTreeMap::new();
    for field in definition.fields.iter().filter(|field| field.is_secret) {
        secrets.insert(field.name.clone(), field.env.clone());
    }
    let first = definition.fields.iter().find(|field| field.is_secret);
    let mut found: Vec<_> = (definition.detect.iter())
        .filter_map(|detect| detect.field.as_ref().or(first.map(|field| &field.name)))
        .collect();
    found.dedup();
    let by_name: Vec<_> = secrets
        .iter()
        .filter(|(name, _)| !found.contains(name))
        .flat_map(|(_, variables)| variables)
        .map(|name| code(&format!("{name}=…")))
        .collect();
    let only = format!("only as {}", by_name.join(", "));
    if !definition.detect.is_empty() {
        let names: Vec<_> = found.iter().map(|name| code(name.as_str())).collect();
        return match (&names[..], &by_name[..]) {
            ([], _) | (_, []) => "by shape".to_owned(),
            (names, _) => format!("{} by shape; the rest {only}", names.join(", ")),
        };
    }
    if by_name.is_empty() {
        let no = if definition.oauth.is_some() {
            "no; its tokens have no known shape"
        } else {
            "no; there is nothing to find"
        };
        return no.to_owned();
    }
    let hint = first.filter(|field| field.pattern.is_some());
    match hint.and_then(|field| field.hint.as_deref()) {
        Some(hint) => format!("{only}; no shape is theirs alone. {}", text(hint)),
        None => format!("{only}; they have no known shape"),
    }
}

fn inspect(definition: &Definition) -> String {
    code(&format!("vault inspect {}", definition.name))
}

/// An address, or where it is a registry's, that it is one.
fn place(url: &str) -> String {
    if possible_hosts(url).any(is_a_registrys) {
        "that of its package registry".to_owned()
    } else {
        code(url)
    }
}

fn without_registries(text: &str, instead: &str) -> String {
    let mut shown = text.to_owned();
    for host in possible_hosts(text).filter(|host| is_a_registrys(host)) {
        shown = shown.replace(host, instead);
    }
    shown
}

fn raw(template: &Template) -> String {
    let parts = template.parts().iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Field(name) => format!("{{{name}}}"),
    });
    parts.collect()
}

/// Text of a definition in Markdown.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        if r"\`*_[]<>|&".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The same as it stands in a file, outside of tables.
fn code(plain: &str) -> String {
    if plain.contains('`') {
        format!("`` {plain} ``")
    } else {
        format!("`{plain}`")
    }
}

/// The same in a table, where a bar would end the cell.
fn cell(plain: &str) -> String {
    code(plain).replace('|', "\\|")
}
