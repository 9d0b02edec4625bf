//! Hosts that no connection is for: their bytes pass untouched and unseen, or
//! go nowhere.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Gateway, bounded};
use crate::template::filled;
use crate::world::{Manner, World};

#[tokio::test]
async fn a_tunnel_is_between_the_client_and_the_upstream_alone() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    // Echoes, and ends after its client does.
    let echo = Manner::raw(|mut stream| async move {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..count]).await.unwrap();
            stream.flush().await.unwrap();
        }
        let _ = stream.write_all(b"the end").await;
        let _ = stream.shutdown().await;
    });
    world.set("echo.example", echo);
    for gateway in [
        Gateway::serve(&environment, &tokens.ci, &["--allow", "echo.example"]),
        Gateway::run(&environment, &[]),
    ] {
        let client = gateway.trusting(world.roots());
        // Whoever trusts the gateway alone does not trust what is seen here.
        let stream = gateway.connects("echo.example:443").await.unwrap();
        assert!(gateway.secures(stream, "echo.example", &[]).await.is_err());
        let stream = client.connects("echo.example:443").await.unwrap();
        let stream = client.secures(stream, "echo.example", &[]).await.unwrap();
        let (mut from, mut to) = tokio::io::split(stream);
        let sent: Vec<u8> = (0..300_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let own = sent.clone();
        let writing = tokio::spawn(async move {
            to.write_all(&own).await.unwrap();
            to.shutdown().await.unwrap();
        });
        let mut back = Vec::new();
        bounded(from.read_to_end(&mut back)).await.unwrap();
        writing.await.unwrap();
        let end = back.split_off(back.len() - 7);
        assert!(back == sent, "{} bytes of {}", back.len(), sent.len());
        assert_eq!(end, b"the end");
    }
    // Nothing of who they are was said on the way.
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn serve_and_deny_unmatched_let_nothing_through_that_is_not_allowed() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    for gateway in [
        Gateway::serve(
            &environment,
            &tokens.ci,
            &["--allow", "ok.example,*.fine.example"],
        ),
        Gateway::run(
            &environment,
            &["--deny-unmatched", "--allow", "ok.example,*.fine.example"],
        ),
        Gateway::run(&environment, &["--allow", "ok.example,*.fine.example"]),
    ] {
        for address in [
            "https://elsewhere.example/",
            "https://ok.example.evil.test/",
            "https://fine.example/",
            "http://elsewhere.example/",
        ] {
            let answer = gateway.get(address).await;
            let told = answer.refused(403, "host_denied");
            assert!(told["hint"].as_str().unwrap().contains("--allow"), "{told}");
        }
        let denied = gateway.get("https://api.gamma.example/").await;
        denied.refused(424, "not_configured");
        assert!(world.heard().is_empty() && world.connects().is_empty());
        let client = gateway.trusting(world.roots());
        client.get("https://ok.example/").await.ok();
        client.get("https://a.fine.example/").await.ok();
        gateway.get("http://ok.example/").await.ok();
        assert_eq!(world.heard().len(), 3);
        world.forget();
    }
}

#[tokio::test]
async fn a_tunnel_to_where_nobody_is_says_so() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    world.set("gone.example", Manner::Refused);
    let gateway = Gateway::run(&environment, &[]);
    let answer = gateway.connects("gone.example:443").await.unwrap_err();
    answer.refused(502, "unreachable");
    // It is on this machine, and so not behind the proxy.
    let answer = gateway.connects("127.0.0.1:1").await.unwrap_err();
    answer.refused(502, "unreachable");
}
