//! `/v1/models`: what the routes can reach. Each connection is asked once, the
//! way of every other request, so that a client is told of nothing that it may
//! not ask for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::model::shown;
use super::{PREFIX, ROUTE, Visit};
use crate::broker::traffic::path::Reading;
use crate::broker::traffic::{Refusal, Way};
use crate::gateway::answer;
use crate::gateway::body::{Body, Outgoing};
use crate::gateway::forward::{Errand, forward};
use crate::gateway::worker::Worker;
use crate::name::ConnectionId;
use crate::policy::Route;

/// Whoever takes longer is left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever says more is left out.
const LARGEST: usize = 4 * 1024 * 1024;
/// More models than this nobody has.
const MOST: usize = 5_000;
/// No model has a longer name, in bytes.
const LONGEST: usize = 300;

const MODELS: &str = "/models";

/// Whether what follows `/v1` asks for models.
pub(super) fn is_list(rest: &str) -> bool {
    let after = rest.strip_prefix(MODELS);
    after.is_some_and(|after| after.is_empty() || after.starts_with('/'))
}

/// Whom each connection that answered has.
type Answered = HashMap<Arc<ConnectionId>, Vec<String>>;

impl Visit<'_> {
    /// Answers a question for all models, or for one.
    pub(super) async fn list(&self, target: &str) -> Result<Response<Body>, Refusal> {
        let reading = Reading::of(target)?;
        let after = reading.path.strip_prefix(PREFIX);
        let after = after.and_then(|after| after.strip_prefix(MODELS));
        let value = match after.map(|after| after.trim_start_matches('/')) {
            None | Some("") => {
                let found = self.found(self.set.routes().iter().collect()).await;
                let data = found.iter().map(|(model, id)| described(model, id));
                json!({"object": "list", "data": data.collect::<Vec<_>>()})
            }
            // Many models have a slash in their names.
            Some(model) => self.one(&model.replace("%2F", "/")).await?,
        };
        let mut response = answer::plain(StatusCode::OK, &value);
        if let Ok(name) = HeaderValue::from_str(&self.set.name) {
            response.headers_mut().insert(ROUTE, name);
        }
        Ok(response)
    }

    async fn one(&self, model: &str) -> Result<Value, Refusal> {
        let route = self.route(model)?;
        if route.rename.is_some() {
            return Ok(described(model, &self.ways(route)?[0].id));
        }
        let found = self.found(vec![route]).await;
        let id = found.get(model).ok_or_else(|| {
            let message = format!("Nobody on its route has the model {}", shown(model));
            Refusal::new(404, "no_model", message).with_hint(format!("GET {PREFIX}{MODELS}"))
        })?;
        Ok(described(model, id))
    }

    /// The models that these routes reach, and with which connection.
    async fn found(&self, routes: Vec<&Route>) -> BTreeMap<String, Arc<ConnectionId>> {
        let open = routes
            .into_iter()
            .filter_map(|route| Some((route, self.ways(route).ok()?)));
        let open: Vec<(&Route, Vec<Way>)> = open.collect();
        let answered = self.ask(open.iter().flat_map(|(_, ways)| ways)).await;
        let is_meant = |route: &Route, model: &str| {
            let first = Route::first(self.set.routes(), model);
            first.is_some_and(|first| std::ptr::eq(first, route))
        };
        let mut found = BTreeMap::new();
        for (route, ways) in &open {
            let rename = route.rename.as_deref();
            // Whoever answers now would get the request.
            let server = ways.iter().find_map(|way| answered.get_key_value(&way.id));
            if let Some((id, models)) = server {
                let kept = models.iter().filter(|model| {
                    rename.is_none_or(|name| name == **model) && is_meant(route, model)
                });
                found.extend(kept.map(|model| (model.clone(), Arc::clone(id))));
            }
            let exact = route.models.iter().flat_map(|models| models.exact());
            for model in exact.filter(|model| rename.is_some() && is_meant(route, model)) {
                let id = server.map_or(&ways[0].id, |(id, _)| id);
                found.insert(model.to_owned(), Arc::clone(id));
            }
        }
        found
    }

    /// Asks each connection once, all at the same time.
    async fn ask<'w>(&self, ways: impl Iterator<Item = &'w Way>) -> Answered {
        let mut asked = JoinSet::new();
        let mut known: Vec<&ConnectionId> = Vec::new();
        for way in ways {
            let Ok(address) = format!("{}{MODELS}", way.path).parse::<Uri>() else {
                continue;
            };
            if known.contains(&&*way.id) {
                continue;
            }
            known.push(&way.id);
            let (worker, errand) = (Arc::clone(self.worker), self.errand(way));
            let id = Arc::clone(&way.id);
            asked.spawn(async move {
                let models = tokio::time::timeout(PATIENCE, models_of(&worker, &errand, address));
                (id, models.await.ok().flatten())
            });
        }
        let mut answered = Answered::new();
        while let Some(joined) = asked.join_next().await {
            if let Ok((id, Some(models))) = joined {
                answered.insert(id, models);
            }
        }
        answered
    }
}

fn described(model: &str, id: &ConnectionId) -> Value {
    json!({"id": model, "object": "model", "owned_by": id.to_string()})
}

/// What one connection says that it has.
async fn models_of(worker: &Arc<Worker>, errand: &Errand, address: Uri) -> Option<Vec<String>> {
    let mut request = Request::new(Outgoing::Whole(None));
    *request.uri_mut() = address;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let response = forward(worker, errand, request).await.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    models_in(&body.ok()?.to_bytes())
}

/// The models of an answer: OpenAI's form, or a bare list, as some have it.
fn models_in(text: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Models {
        Under { data: Vec<Model> },
        Bare(Vec<Model>),
    }
    let models = match serde_json::from_slice(text).ok()? {
        Models::Under { data } => data,
        Models::Bare(data) => data,
    };
    let names = models.into_iter().map(|model| model.id);
    let fits = |name: &String| {
        !name.is_empty() && name.len() <= LONGEST && !name.chars().any(char::is_control)
    };
    Some(names.filter(fits).take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_in_both_forms_and_odd_names_are_left_out() {
        let long = "x".repeat(LONGEST + 1);
        let list = format!(
            r#"[{{"id":"a/b:c","x":1}},{{"id":""}},{{"id":"a\nb"}},{{"id":"{long}"}},{{"id":"ü"}}]"#
        );
        let under = format!(r#"{{"object":"list","data":{list}}}"#);
        for text in [&list, &under] {
            assert_eq!(models_in(text.as_bytes()).unwrap(), ["a/b:c", "ü"]);
        }
        for text in ["", "{}", "null", r#"{"data":[1]}"#, "<html>"] {
            assert_eq!(models_in(text.as_bytes()), None, "{text}");
        }
        let many = vec![r#"{"id":"a"}"#; MOST + 1].join(",");
        assert_eq!(
            models_in(format!("[{many}]").as_bytes()).unwrap().len(),
            MOST
        );
    }

    #[test]
    fn only_models_are_listed() {
        for (rest, expected) in [
            ("/models", true),
            ("/models/", true),
            ("/models/a/b", true),
            ("/modelsx", false),
            ("/chat/completions", false),
            ("/responses/resp_FAKE", false),
        ] {
            assert_eq!(is_list(rest), expected, "{rest}");
        }
    }
}
