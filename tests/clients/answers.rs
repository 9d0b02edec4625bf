//! What the providers say, in their shapes.

use serde_json::json;

use super::seen::Seen;
use super::server::Answer;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// What a client asks for in the middle of a stream: the rest comes then.
pub const GO_ON: &str = "/v1/models";

/// OpenAI and Anthropic, for whoever shows these keys.
pub fn models(openai: String, anthropic: String) -> impl Fn(&Seen) -> Answer + Send + Sync {
    let bearer = format!("Bearer {openai}");
    move |seen| match seen.host.as_str() {
        "api.openai.com" if seen.header("authorization") == Some(&bearer) => of_openai(seen),
        "api.anthropic.com" if seen.header("x-api-key") == Some(&anthropic) => of_anthropic(seen),
        _ => refused(),
    }
}

fn refused() -> Answer {
    let text = json!({"error": {"message": "bad key", "type": "authentication_error"}});
    Answer {
        status: 401,
        ..Answer::new(JSON, text.to_string())
    }
}

fn of_openai(seen: &Seen) -> Answer {
    match (seen.method.as_str(), seen.path()) {
        ("GET", GO_ON) => {
            let model = json!({"id": "gpt-fake", "object": "model", "created": 1, "owned_by": "x"});
            Answer::new(JSON, json!({"object": "list", "data": [model]}).to_string())
        }
        ("POST", "/v1/chat/completions") if seen.json()["stream"] == true => {
            let chunk = |delta: serde_json::Value, reason: Option<&str>| {
                let chunk = json!({"id": "chat-1", "object": "chat.completion.chunk",
                    "created": 1, "model": "gpt-fake",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
                format!("data: {chunk}\n\n")
            };
            let first = chunk(json!({"role": "assistant", "content": "Guten "}), None);
            let rest = chunk(json!({"content": "Tag"}), None)
                + &chunk(json!({}), Some("stop"))
                + "data: [DONE]\n\n";
            Answer {
                after: Some((GO_ON, rest.into_bytes())),
                ..Answer::new(EVENTS, first)
            }
        }
        ("POST", "/v1/chat/completions") => {
            let text = json!({"id": "chat-1", "object": "chat.completion", "created": 1,
                "model": "gpt-fake",
                "choices": [{"index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "Guten Tag"}}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
            Answer::new(JSON, text.to_string())
        }
        // A body as long as the other one.
        ("POST", "/v1/files") => Answer::new("text/plain", seen.body.to_vec()),
        ("GET", "/v1/realtime") => Answer {
            is_echo: true,
            ..Answer::default()
        },
        _ => Answer::status(404),
    }
}

fn of_anthropic(seen: &Seen) -> Answer {
    let message = |content: serde_json::Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-fake",
            "content": content, "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 2}})
    };
    match (seen.method.as_str(), seen.path()) {
        ("GET", GO_ON) => {
            let model = json!({"id": "claude-fake", "type": "model", "display_name": "Fake",
                "created_at": "2026-01-01T00:00:00Z"});
            let page = json!({"data": [model], "has_more": false,
                "first_id": "claude-fake", "last_id": "claude-fake"});
            Answer::new(JSON, page.to_string())
        }
        ("POST", "/v1/messages") if seen.json()["stream"] == true => {
            let event = |data: serde_json::Value| {
                format!(
                    "event: {}\ndata: {data}\n\n",
                    data["type"].as_str().unwrap()
                )
            };
            let delta = |text: &str| {
                event(json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": text}}))
            };
            let first = event(json!({"type": "message_start", "message": message(json!([]))}))
                + &event(json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}}))
                + &delta("Guten ");
            let rest = delta("Tag")
                + &event(json!({"type": "content_block_stop", "index": 0}))
                + &event(json!({"type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                    "usage": {"output_tokens": 2}}))
                + &event(json!({"type": "message_stop"}));
            Answer {
                after: Some((GO_ON, rest.into_bytes())),
                ..Answer::new(EVENTS, first)
            }
        }
        ("POST", "/v1/messages") => {
            let text = message(json!([{"type": "text", "text": "Guten Tag"}]));
            Answer::new(JSON, text.to_string())
        }
        _ => Answer::status(404),
    }
}
