use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use super::super::tests::{
    PATIENCE, assert_is_guarded, connect, exchange, get, listener, read_to_end, run, status,
};
use super::*;

const KEY: &str = "FAKE-KEY-0123456789";

fn field(name: &str, is_secret: bool) -> FormField {
    FormField {
        name: name.to_owned(),
        label: format!("The <{name}>"),
        hint: Some("Begins with <FAKE->.".to_owned()),
        is_secret,
        is_multiline: false,
        is_required: true,
        value: None,
    }
}

fn fields() -> Vec<FormField> {
    vec![
        FormField {
            value: Some("eu\"><b>".to_owned()),
            ..field("region", false)
        },
        FormField {
            value: Some("FAKE-NEVER-SHOWN".to_owned()),
            ..field("api_key", true)
        },
        FormField {
            is_multiline: true,
            is_required: false,
            ..field("private_key", true)
        },
    ]
}

/// The browser of a test.
struct Browser {
    port: u16,
    path: String,
    seen: Vec<String>,
}

impl Browser {
    fn exchange(&mut self, request: &str) -> String {
        let answer = exchange(self.port, request);
        self.seen.push(answer.clone());
        answer
    }

    /// Opens the form and reads its token.
    fn open(&mut self) -> String {
        let request = get(self.port, &self.path);
        let answer = self.exchange(&request);
        assert_eq!(status(&answer), 200);
        token_in(&answer)
    }

    fn head(&self, origin: &str, length: usize) -> String {
        format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: {origin}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n",
            self.path, self.port
        )
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn post(&mut self, body: &str) -> String {
        let head = self.head(&self.origin(), body.len());
        self.exchange(&format!("{head}{body}"))
    }
}

fn token_in(answer: &str) -> String {
    let after = answer.split("name=\"_token\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

/// Shows the form while `act` plays the person; only KEY passes the check.
fn filling(act: impl FnOnce(&mut Browser)) -> (BTreeMap<String, Secret>, usize) {
    let listener = listener();
    let port = listener.port();
    let fields = fields();
    let page = FormPage {
        provider: "Acme <&>",
        connection: "acme/team",
        key_url: Some("https://acme.example/keys?a=1&b=2"),
        fields: &fields,
    };
    let form = Form::new(listener, page);
    let address = form.address();
    let path = address.strip_prefix(&format!("http://127.0.0.1:{port}"));
    let mut browser = Browser {
        port,
        path: path.unwrap().to_owned(),
        seen: Vec::new(),
    };
    let mut checks = 0;
    let values = std::thread::scope(|scope| {
        let checks = &mut checks;
        let waiting = scope.spawn(move || {
            run(form.wait(PATIENCE, |values| {
                *checks += 1;
                match values["api_key"].reveal() == KEY {
                    true => Ok(()),
                    false => Err("That is no <key> of Acme.".to_owned()),
                }
            }))
        });
        act(&mut browser);
        waiting.join().unwrap().ok().unwrap()
    });
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    for answer in &browser.seen {
        assert_is_guarded(answer);
        assert!(!answer.contains("FAKE-KEY"), "{answer}");
        assert!(!answer.contains("FAKE-NEVER-SHOWN"), "{answer}");
    }
    (values, checks)
}

#[test]
fn what_was_typed_comes_back_and_nothing_of_it_is_shown() {
    let (values, checks) = filling(|browser| {
        let token = browser.open();
        let answer = browser.post(&format!(
            "_token={token}&region=us+east&api_key={KEY}&private_key=FAKE%0D%0APEM&other=1"
        ));
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("You can close this window"));
    });
    assert_eq!(checks, 1);
    let names: Vec<_> = values.keys().map(String::as_str).collect();
    assert_eq!(names, ["api_key", "private_key", "region"]);
    assert_eq!(values["api_key"].reveal(), KEY);
    assert_eq!(values["private_key"].reveal(), "FAKE\nPEM");
    assert_eq!(values["region"].reveal(), "us east");
}

#[test]
fn the_form_is_labelled_and_escaped() {
    filling(|browser| {
        let token = browser.open();
        let page = browser.seen[0].clone();
        for piece in [
            "<h1>Connect Acme &lt;&amp;&gt;</h1>",
            "<label for=\"api_key\">The &lt;api_key&gt;</label>",
            "<input type=\"password\" id=\"api_key\" name=\"api_key\" autocomplete=\"off\"",
            "aria-describedby=\"api_key.hint\"",
            "<p class=\"hint\" id=\"api_key.hint\">Begins with &lt;FAKE-&gt;.</p>",
            "<textarea id=\"private_key\"",
            "value=\"eu&quot;&gt;&lt;b&gt;\"",
            "href=\"https://acme.example/keys?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer\"",
        ] {
            assert!(page.contains(piece), "{piece}\n{page}");
        }
        browser.post(&format!("_token={token}&region=eu&api_key={KEY}"));
    });
}

#[test]
fn after_a_mistake_the_form_is_shown_without_the_secret() {
    let (values, checks) = filling(|browser| {
        let token = browser.open();
        let answer = browser.post(&format!(
            "_token={token}&region=u%22s&api_key=FAKE-KEY-wrong&private_key=FAKE-KEY-pem"
        ));
        assert_eq!(status(&answer), 422);
        assert!(answer.contains("role=\"alert\">That is no &lt;key&gt; of Acme.</p>"));
        assert!(answer.contains("value=\"u&quot;s\""));

        let token = token_in(&answer);
        let answer = browser.post(&format!("_token={token}&region=us&api_key="));
        assert_eq!(status(&answer), 422);
        assert!(answer.contains("The &lt;api_key&gt; is missing."));

        let token = token_in(&answer);
        let answer = browser.post(&format!("_token={token}&region=us&api_key={KEY}"));
        assert_eq!(status(&answer), 200);
    });
    assert_eq!(values["region"].reveal(), "us");
    assert_eq!(checks, 2);
}

#[test]
fn each_form_that_is_shown_is_good_for_one_answer() {
    let (_, checks) = filling(|browser| {
        let tokens: Vec<_> = (0..5).map(|_| browser.open()).collect();
        let wrong = "region=us&api_key=FAKE-KEY-wrong";
        for (token, wanted) in [
            (&tokens[0], 403),
            (&tokens[4], 422),
            (&tokens[4], 403),
            (&"0".repeat(32), 403),
            (&String::new(), 403),
        ] {
            let answer = browser.post(&format!("_token={token}&{wrong}"));
            assert_eq!(status(&answer), wanted, "{token}");
        }
        assert_eq!(
            status(&browser.post(&format!("api_key={KEY}&region=us"))),
            403
        );
        let token = browser.open();
        let doubled = format!("_token={token}&_token={token}&api_key={KEY}&region=us");
        assert_eq!(status(&browser.post(&doubled)), 400);
        let doubled = format!("_token={token}&api_key={KEY}&api_key=x&region=us");
        assert_eq!(status(&browser.post(&doubled)), 400);
        browser.post(&format!("_token={token}&api_key={KEY}&region=us"));
    });
    assert_eq!(checks, 2);
}

#[test]
fn a_page_of_another_site_cannot_fill_the_form() {
    let (_, checks) = filling(|browser| {
        let token = browser.open();
        let body = format!("_token={token}&region=us&api_key={KEY}");
        for origin in ["https://evil.test", "null"] {
            let head = browser.head(origin, body.len());
            let answer = browser.exchange(&format!("{head}{body}"));
            assert_eq!(status(&answer), 403, "{origin}");
        }
        let foreign = browser.head(&browser.origin(), body.len());
        let foreign = foreign.replace("Host: 127.0.0.1", "Host: evil.test");
        assert_eq!(status(&browser.exchange(&format!("{foreign}{body}"))), 421);
        let elsewhere = browser.head(&browser.origin(), body.len());
        let elsewhere = elsewhere.replace(&browser.path, "/");
        assert_eq!(
            status(&browser.exchange(&format!("{elsewhere}{body}"))),
            404
        );
        // The token is good still: nothing of this reached it.
        assert_eq!(status(&browser.post(&body)), 200);
    });
    assert_eq!(checks, 1);
}

#[test]
fn a_body_of_100_mb_is_refused_before_it_is_read() {
    filling(|browser| {
        let token = browser.open();
        let mut stream = connect(browser.port);
        let head = browser.head(&browser.origin(), 100_000_000);
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'a'; 100_000];
        let taken = (0..1000).take_while(|_| stream.write_all(&piece).is_ok());
        // What the system's buffers hold, and no more.
        assert!(taken.count() < 500);
        assert_eq!(status(&read_to_end(&mut stream)), 413);

        let answer = browser.post(&format!("_token={token}&region=us&api_key={KEY}"));
        assert_eq!(status(&answer), 200);
    });
}

#[test]
fn a_body_that_does_not_come_ends_nothing() {
    let (_, checks) = filling(|browser| {
        let token = browser.open();
        let body = format!("_token={token}&region=us&api_key={KEY}");
        let mut stream = connect(browser.port);
        let head = browser.head(&browser.origin(), body.len() + 1);
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert_eq!(read_to_end(&mut stream), "");
        assert_eq!(status(&browser.post(&body)), 200);
    });
    assert_eq!(checks, 1);
}

#[test]
fn every_form_has_an_address_of_its_own() {
    let page = || FormPage {
        provider: "Acme",
        connection: "default",
        key_url: None,
        fields: &[],
    };
    let (one, other) = (Form::new(listener(), page()), Form::new(listener(), page()));
    assert_ne!(one.path, other.path);
    assert_eq!(one.path.len(), 34);
}

#[test]
fn a_page_is_given_no_secret_to_show() {
    let fields = fields();
    let page = FormPage {
        provider: "Acme",
        connection: "default",
        key_url: None,
        fields: &fields,
    };
    let secret = |name: &str| (name.to_owned(), Secret::from(KEY.to_owned()));
    let values = BTreeMap::from(["region", "api_key", "private_key"].map(secret));
    for shown in [page.prefilled(), page.showable(&values)] {
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), ["region"]);
    }
}
