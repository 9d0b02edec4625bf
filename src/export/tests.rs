use super::*;

const FORMATS_THAT_CARRY_EVERYTHING: [Format; 3] = [Format::Json, Format::Yaml, Format::K8s];

/// A pasted key of several lines; no key at all.
const PEM: &str = "-----BEGIN FAKE KEY-----\nMIIB+/==\nabc\n-----END FAKE KEY-----\n";

fn rendered(format: Format, name: &str, value: &str) -> Result<Rendered, Refused> {
    let secret = Secret::from(value.to_owned());
    render(
        format,
        &Settings::default(),
        &[(name.parse().unwrap(), &secret)],
    )
}

fn written(format: Format, value: &str) -> String {
    let rendered = rendered(format, "KEY", value).unwrap();
    String::from_utf8(rendered.text.as_bytes().to_vec()).unwrap()
}

fn reason(format: Format, name: &str, value: &str) -> Option<Reason> {
    rendered(format, name, value).err().map(|r| r.reason)
}

#[test]
fn every_format_is_found_by_its_word() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    let unknown = "powershel".parse::<Format>().unwrap_err();
    let error = Error::from(unknown);
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint().unwrap().contains("powershell"));
}

#[test]
fn a_plain_key_looks_as_one_would_write_it() {
    for (format, expected) in [
        (Format::Env, "export KEY='fake'\n"),
        (Format::Fish, "set -gx KEY 'fake'\n"),
        (Format::Powershell, "$env:KEY = 'fake'\n"),
        (Format::Nu, "$env.KEY = \"fake\"\n"),
        (Format::Dotenv, "KEY='fake'\n"),
        (Format::Docker, "KEY=fake\n"),
        (Format::Json, "{\n  \"KEY\": \"fake\"\n}\n"),
        (Format::Yaml, "KEY: \"fake\"\n"),
        (Format::Github, "::add-mask::fake\n"),
        (Format::Gitlab, "KEY=fake\n"),
        (
            Format::Azure,
            "##vso[task.setvariable variable=KEY;issecret=true]fake\n",
        ),
        (
            Format::K8s,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"vault\"\ntype: Opaque\ndata:\n  KEY: \"ZmFrZQ==\"\n",
        ),
        (Format::Systemd, "KEY=\"fake\"\n"),
    ] {
        assert_eq!(written(format, "fake"), expected, "{format}");
    }
}

#[test]
fn a_pasted_pem_reaches_every_format_of_several_lines() {
    for format in Format::ALL {
        let refused = reason(format, "KEY", PEM);
        let one_line = matches!(format, Format::Docker | Format::Gitlab);
        assert_eq!(refused, one_line.then_some(Reason::Newline), "{format}");
    }
    assert_eq!(written(Format::Dotenv, PEM), format!("KEY='{PEM}'\n"));
    assert_eq!(
        written(Format::Powershell, "a\nb"),
        "$env:KEY = 'a' + [char]10 + 'b'\n"
    );
}

#[test]
fn quotes_of_each_shell_are_escaped() {
    assert_eq!(written(Format::Env, "it's"), "export KEY='it'\\''s'\n");
    assert_eq!(
        written(Format::Fish, r"it's \"),
        "set -gx KEY 'it\\'s \\\\'\n"
    );
    assert_eq!(
        written(Format::Powershell, "'\u{2018}\u{2019}\u{201a}\u{201b}"),
        "$env:KEY = '''\u{2018}\u{2018}\u{2019}\u{2019}\u{201a}\u{201a}\u{201b}\u{201b}'\n"
    );
    assert_eq!(
        written(Format::Nu, "\"$(x)\\\n\x1b"),
        "$env.KEY = \"\\\"$(x)\\\\\\n\\u{1b}\"\n"
    );
    assert_eq!(
        written(Format::Systemd, "\"`$\\\n'"),
        "KEY=\"\\\"\\`\\$\\\\\n'\"\n"
    );
}

#[test]
fn dotenv_takes_the_quoting_that_python_and_node_share() {
    for (value, expected) in [
        ("", "KEY=''\n"),
        (" # $HOME `x` \"y\" ", "KEY=' # $HOME `x` \"y\" '\n"),
        (r"C:\new", "KEY='C:\\new'\n"),
        ("it's", "KEY=\"it's\"\n"),
        ("a\r\nb", "KEY=\"a\\r\nb\"\n"),
        (r"a\\b", "KEY=a\\\\b\n"),
        (r#"{"a": "it's"}"#, "KEY={\"a\": \"it's\"}\n"),
        (r"ends\", "KEY=ends\\\n"),
    ] {
        assert_eq!(written(Format::Dotenv, value), expected);
    }
    for value in [
        "'\"\n",
        "'\" # x",
        r#"'"'"#,
        " it's \"so\"",
        "\\\\\n",
        "\\\r",
        r"'\n\",
    ] {
        if let Ok(rendered) = rendered(Format::Dotenv, "KEY", value) {
            panic!(
                "{value:?} became {:?}",
                String::from_utf8_lossy(rendered.text.as_bytes())
            );
        }
    }
    for value in ["${HOME}", "a${}b", "${A:-b}", "x${\n}"] {
        assert_eq!(
            reason(Format::Dotenv, "KEY", value),
            Some(Reason::Reference)
        );
    }
    assert_eq!(reason(Format::Dotenv, "KEY", "$HOME ${ $"), None);
}

#[test]
fn one_line_formats_refuse_what_their_readers_drop() {
    for (value, docker, gitlab) in [
        ("a\nb", Some(Reason::Newline), Some(Reason::Newline)),
        (
            "a\r",
            Some(Reason::CarriageReturn),
            Some(Reason::OuterSpace),
        ),
        (" a", None, Some(Reason::OuterSpace)),
        ("a\t", None, Some(Reason::OuterSpace)),
        ("a$b", None, Some(Reason::Reference)),
        ("a${b", None, Some(Reason::Reference)),
        ("a$$", None, Some(Reason::Reference)),
        ("5 $ a$", None, None),
        ("\"a#b\"", None, None),
        ("", None, None),
    ] {
        assert_eq!(reason(Format::Docker, "KEY", value), docker, "{value:?}");
        assert_eq!(reason(Format::Gitlab, "KEY", value), gitlab, "{value:?}");
    }
    let longest = "x".repeat(64 * 1024 - "KEY=\n".len());
    assert_eq!(reason(Format::Docker, "KEY", &longest), None);
    let longer = longest + "x";
    assert_eq!(
        reason(Format::Docker, "KEY", &longer),
        Some(Reason::TooLong)
    );
}

#[test]
fn nul_passes_only_where_no_environment_is_meant() {
    for format in Format::ALL {
        let expected = (!FORMATS_THAT_CARRY_EVERYTHING.contains(&format)).then_some(Reason::Nul);
        assert_eq!(reason(format, "KEY", "a\0b"), expected, "{format}");
    }
}

#[test]
fn names_that_the_reader_keeps_are_refused() {
    for (format, name) in [
        (Format::Env, "UID"),
        (Format::Fish, "PWD"),
        (Format::Github, "NODE_OPTIONS"),
        (Format::Github, "GITHUB_SHA"),
        (Format::Github, "RUNNER_TEMP"),
    ] {
        assert_eq!(reason(format, name, "x"), Some(Reason::ReservedName));
    }
    for name in ["GITHUB_TOKEN", "RUNNER_TOKEN", "GH_TOKEN"] {
        assert_eq!(reason(Format::Github, name, "x"), None);
    }
}

#[test]
fn a_refusal_names_variable_format_and_reason_but_no_value() {
    let refused = rendered(Format::Docker, "KEY", "fake\nvalue")
        .err()
        .unwrap();
    let error = Error::from(refused);
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "KEY cannot be written as docker: its value has several lines, and there a variable is one line"
    );
    assert!(error.hint().unwrap().contains("--format json"));
}

#[test]
fn one_refusal_leaves_nothing_written() {
    let (good, bad) = (
        Secret::from("a".to_owned()),
        Secret::from("a\nb".to_owned()),
    );
    let variables = [("A".parse().unwrap(), &good), ("B".parse().unwrap(), &bad)];
    let refused = render(Format::Docker, &Settings::default(), &variables)
        .err()
        .unwrap();
    assert_eq!(refused.variable.as_str(), "B");
}

#[test]
fn github_masks_lines_and_frames_values() {
    let settings = Settings {
        random: [0xab; 16],
        manifest: Manifest::default(),
    };
    let delimiter = format!("vault_{}", "ab".repeat(16));
    let secret = Secret::from(format!("50%\r\nabc\n\n     \n{delimiter}"));
    let rendered = render(
        Format::Github,
        &settings,
        &[("KEY".parse().unwrap(), &secret)],
    )
    .unwrap();
    assert_eq!(
        String::from_utf8_lossy(rendered.text.as_bytes()),
        format!("::add-mask::50%25%0D\n::add-mask::{delimiter}\n")
    );
    let appended = rendered.github_env.unwrap();
    assert_eq!(
        String::from_utf8_lossy(appended.as_bytes()),
        format!("KEY<<{delimiter}_\n{}\n{delimiter}_\n", secret.reveal())
    );
}

#[test]
fn azure_escapes_no_more_than_every_agent_decodes() {
    let set = "##vso[task.setvariable variable=KEY;issecret=true]";
    for (value, expected) in [
        ("100% a;b]", "100% a;b]"),
        ("%0A%3b%5D%AZP25%", "%AZP250A%AZP253b%AZP255D%AZP25AZP25%"),
    ] {
        assert_eq!(written(Format::Azure, value), format!("{set}{expected}\n"));
    }
    let several = rendered(Format::Azure, "KEY", "line one\nab\r\n%0A!").unwrap();
    assert_eq!(
        String::from_utf8_lossy(several.text.as_bytes()),
        format!(
            "##vso[task.setsecret]line one\n##vso[task.setsecret]%AZP250A!\n{set}line one%0Aab%0D%0A%AZP250A!\n"
        )
    );
    assert!(matches!(
        several.warnings[..],
        [Warning::AzureSeveralLines { .. }]
    ));
}

#[test]
fn gitlab_warns_that_nothing_is_masked_and_of_its_limits() {
    let small = rendered(Format::Gitlab, "KEY", "fake").unwrap();
    assert_eq!(small.warnings, [Warning::GitlabUnmasked]);
    let large = rendered(Format::Gitlab, "KEY", &"x".repeat(5200)).unwrap();
    assert!(matches!(
        large.warnings[..],
        [
            Warning::GitlabUnmasked,
            Warning::GitlabTooMuch { variables: 1, .. }
        ]
    ));
}

#[test]
fn yaml_quotes_what_older_loaders_would_take_for_something_else() {
    for name in ["Y", "N", "ON", "OFF", "YES", "NO", "TRUE", "FALSE", "NULL"] {
        let rendered = rendered(Format::Yaml, name, "no").unwrap();
        assert_eq!(
            String::from_utf8_lossy(rendered.text.as_bytes()),
            format!("\"{name}\": \"no\"\n")
        );
    }
    assert_eq!(
        written(Format::Yaml, "\0\x1b\u{85}\u{2028}\u{feff}\u{ffff}é😀"),
        "KEY: \"\\x00\\x1b\\x85\\u2028\\ufeff\\uffffé😀\"\n"
    );
}

#[test]
fn a_manifest_takes_names_that_kubernetes_takes() {
    for (name, namespace) in [("vault", None), ("a.b-c.1", Some("prod-1"))] {
        assert!(Manifest::new(name, namespace).is_ok());
    }
    for (name, namespace) in [
        ("", None),
        ("Vault", None),
        ("-a", None),
        ("a..b", None),
        ("a\nb", None),
        ("a", Some("x.y")),
        ("a", Some("")),
    ] {
        let bad = Manifest::new(name, namespace).unwrap_err();
        assert_eq!(Error::from(bad).kind(), Kind::Usage);
    }
    let secret = Secret::from("fake".to_owned());
    let settings = Settings {
        manifest: Manifest::new("keys", Some("prod")).unwrap(),
        ..Settings::default()
    };
    let rendered = render(Format::K8s, &settings, &[("KEY".parse().unwrap(), &secret)]).unwrap();
    let text = String::from_utf8_lossy(rendered.text.as_bytes()).into_owned();
    assert!(
        text.contains("  name: \"keys\"\n  namespace: \"prod\"\n"),
        "{text}"
    );
}

#[test]
fn no_variables_are_still_what_the_reader_expects() {
    let empty = |format| {
        let rendered = render(format, &Settings::default(), &[]).unwrap();
        String::from_utf8(rendered.text.as_bytes().to_vec()).unwrap()
    };
    assert_eq!(empty(Format::Json), "{}\n");
    assert_eq!(empty(Format::Yaml), "{}\n");
    assert!(empty(Format::K8s).ends_with("data: {}\n"));
    assert_eq!(empty(Format::Env), "");
}
