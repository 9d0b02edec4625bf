//! Ways around a rule: other words for a method, for a path, for a body.

use hyper::Request;
use serde_json::json;

use crate::books::{policy, usage};
use crate::client::{Answer, Gateway, Text, bounded, get, inner};
use crate::switching::{asking, echoing};
use crate::template::{self, filled};
use crate::world::World;

#[tokio::test]
async fn another_method_than_the_requests_own_is_refused_where_there_are_rules() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    policy(
        &environment,
        &json!({"rules": [{"method": "DELETE", "action": "deny"}]}),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let address = "https://api.acme.example/v1/x";
    for header in [
        "X-HTTP-Method-Override",
        "x-http-method",
        "X-Method-Override",
    ] {
        let request = Request::post(address).header(header, "DELETE");
        let answer = gateway.send(request.body(Text::default()).unwrap()).await;
        answer.refused(400, "method_override");
    }
    for query in [
        "_method=DELETE",
        "a=1&%5Fmethod=delete",
        "$httpMethod=DELETE",
    ] {
        let answer = gateway.get(&format!("{address}?{query}")).await;
        answer.refused(400, "method_override");
    }
    assert!(world.heard().is_empty());
    gateway.get(&format!("{address}?method=DELETE")).await.ok();
}

#[tokio::test]
async fn a_path_with_a_key_in_it_is_judged_as_it_goes_upstream() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    policy(
        &environment,
        &json!({"rules": [{"path": "/botKEY/getMe", "action": "deny"}]}),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for path in ["/botX/getMe", "/botX%3F/getMe", "/bot%2e/getMe", "/getMe"] {
        let answer = gateway
            .get(&format!("https://api.path.example{path}"))
            .await;
        answer.refused(403, "policy_denied");
    }
    assert!(world.heard().is_empty());
    gateway
        .get("https://api.path.example/botX/getUpdates")
        .await
        .ok();
    let sent = format!("GET /bot{}/getUpdates", template::PATH_KEY);
    assert_eq!(world.only().line, sent);
}

#[tokio::test]
async fn what_follows_a_switch_of_protocol_is_no_empty_body() {
    let (mut environment, tokens) = filled();
    let world = echoing(&mut environment);
    policy(
        &environment,
        &json!({"rules": [{"body": {"/model": "*-pro"}, "action": "deny"}]}),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    let request = inner(asking("https://api.acme.example/v1/responses"));
    let response = bounded(sender.send_request(request)).await.unwrap();
    Answer::of(response).await.refused(403, "policy_unreadable");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn where_there_are_rules_a_path_has_one_meaning_also_at_hosts_of_nobody() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    policy(
        &environment,
        &json!({"rules": [{"path": "/admin/**", "action": "deny"}]}),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    for (path, status) in [
        ("/admin/x", 403),
        ("//admin/x", 400),
        ("/a/../admin/x", 400),
    ] {
        let said = gateway
            .says(&format!(
                "GET http://www.other.example{path} HTTP/1.1\r\nHost: www.other.example\r\n\
                 Proxy-Authorization: {}\r\nConnection: close\r\n\r\n",
                gateway.authorization()
            ))
            .await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
    }
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn a_token_in_a_path_is_not_written_down() {
    let (mut environment, tokens) = filled();
    let _world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let path = format!("https://api.path.example/file/bot{}/x", tokens.ci);
    gateway.send(get(&path)).await.ok();
    usage(&environment, "agent", 1).await;
    let database = environment.home().join("state/usage.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let kept: String = database
        .query_row("SELECT path FROM endpoint", [], |row| row.get(0))
        .unwrap();
    assert!(
        !kept.contains(&tokens.ci) && kept.contains("/file/bot"),
        "{kept}"
    );
}
